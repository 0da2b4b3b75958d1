"""Second witnesses that are kept: the same code counts the same structure to the same end.

Only of the catalog's own modules, whose code is known to the last byte: nothing else than a hash of
all of it stands for it.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import torch

import context_modules
from context_modules.catalog import BY_NAME
from harness.case import Job
from harness.environment.files import cache_folder, write_atomically

Figures = Mapping[str, Any]


def _sources() -> str:
    """Hash of the code that this process has read: modules, counters, and what builds the ones."""
    harness = Path(__file__).parents[1]
    files = [*Path(context_modules.__path__[0]).rglob("*.py"), *Path(__file__).parent.glob("*.py")]
    digest = hashlib.sha256()
    for path in sorted([*files, harness / "case.py", harness / "instantiate.py"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


# Now: a file that is changed later is not what this process runs.
_CODE = {
    "sources": _sources(),
    "torch": [torch.__version__, torch.version.git_version],
    # fvcore reads the count of most einsums out of NumPy's text about them.
    "libraries": {name: version(name) for name in ("fvcore", "iopath")}
    | {"numpy": numpy.__version__},
    "python": sys.version,
}


def place_of(job: Job, key: str) -> Path | None:
    """Where the witness of a job is kept; `None` where its code is not all of this project.

    Args:
        job: what is measured.
        key: that of the case at its small size.
    """
    if job.case.module not in BY_NAME or job.case.prepare or job.counting:
        return None
    said = json.dumps({**_CODE, "case": key}, sort_keys=True)
    return cache_folder("witness") / f"{hashlib.sha256(said.encode()).hexdigest()}.json"


def kept(place: Path | None) -> Figures | None:
    """The figures at a place, if they are there and whole."""
    if place is None:
        return None
    with suppress(OSError, ValueError, LookupError, TypeError):
        read = json.loads(place.read_text(encoding="utf-8"))
        if read["hash"] == _hash(read["witness"]):
            figures: Figures = read["witness"]
            return figures
    return None


def keep(place: Path | None, figures: Figures) -> None:
    """Put figures in place; a folder that cannot be written costs the next run a second."""
    if place is not None:
        with suppress(OSError):
            said = {"hash": _hash(figures), "witness": figures}
            write_atomically(place, json.dumps(said))


def _hash(figures: Figures) -> str:
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()
