"""Equipment: what a machine offers beside PyTorch on a CPU, what it is for, and how to get it."""

import importlib.util
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from harness.environment.gpu import initialised, kernel_driver, nvml_library

PACKAGE = "context-harness"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

_DEEPEST = 4  # extras that name extras
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True)
class Extra:
    """One optional part."""

    name: str  # as in `pip install 'context-harness[name]'`
    # distributions that it needs and that are there, with their versions
    installed: Mapping[str, str]
    missing: Sequence[str]  # requirements that nothing installed meets


_BUILT_HERE = frozenset({"natten"})
"""Extras of which a package is built beside the PyTorch that is installed."""


def _install(extra: str) -> str:
    option = "--no-build-isolation " if extra in _BUILT_HERE else ""
    return f"pip install {option}'{PACKAGE}[{extra}]'"


def extras(project: Path = PROJECT) -> tuple[Extra, ...]:
    """Every optional part, in the order of the package's own list; none where that is unknown.

    Args:
        project: `pyproject.toml` of a source checkout, which may be newer than what is installed;
            where it is not there, the installed package says.
    """
    declared: Mapping[str, Sequence[str]] = {}
    with suppress(OSError, KeyError, ValueError):
        said = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        declared = said["optional-dependencies"] if said["name"] == PACKAGE else {}
    declared = declared or _of_package()
    return tuple(_look(name, _written_out(name, declared)) for name in declared)


def _of_package() -> dict[str, list[str]]:
    try:
        said = metadata(PACKAGE)
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {name: [] for name in said.get_all("Provides-Extra") or ()}
    for requirement in said.get_all("Requires-Dist") or ():
        marker = _EXTRA.search(requirement)
        if marker and marker.group(1) in found:
            found[marker.group(1)].append(requirement)
    return found


def _written_out(
    extra: str, declared: Mapping[str, Sequence[str]], depth: int = 0
) -> Iterator[Requirement]:
    """Requirements, with those of the extras that an extra names: `context-harness[report]`."""
    for text in declared.get(extra, ()):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is not None and not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == PACKAGE and depth < _DEEPEST:
            for named in sorted(requirement.extras):
                yield from _written_out(named, declared, depth + 1)
        else:
            yield requirement


def _look(name: str, wanted: Iterable[Requirement]) -> Extra:
    installed: dict[str, str] = {}
    missing: list[str] = []
    for requirement in wanted:
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if requirement.specifier.contains(there, prereleases=True):
            installed[requirement.name] = there
        else:
            missing.append(f"{requirement.name}{requirement.specifier} (there is {there})")
    return Extra(name, installed, tuple(missing))


_CUDA_LINE = re.compile(r"^cuda\b[^=]*=\s*(.+)$", re.MULTILINE)
_TEX_PACKAGES = ("amssymb.sty", "booktabs.sty", "siunitx.sty")
_ASK_SECONDS = 10.0

PURPOSES: Mapping[str, str] = {
    "gpu": "clocks, throttling and energy of NVIDIA GPUs (NVML)",
    "weights": "backbone weights and kept trainings in safetensors",
    "parquet": "harness export --to parquet",
    "mlflow": "harness export --to mlflow",
    "triton": "kernel: triton, kernels of this project on NVIDIA GPUs",
    "natten": "kernel: natten, NATTEN's kernels of neighbourhood attention",
    "report": "harness report: runs as one HTML file",
    "data": "labels of PASCAL-Context and COCO-Stuff 10k (MATLAB files)",
    "ray": "harness run --engine ray: cases on a Ray cluster",
    "photographs": "data: textures_from: photographs, in generated scenes",
    "slurm": "harness run --engine slurm: cases on a Slurm cluster",
    "notebooks": "the notebooks, as they are executed in CI",
    "docs": "make docs: the documentation site",
    "test": "make test",
    "ecosystem": "make test-ecosystem: heads and models of other libraries",
    "lint": "make lint, make types",
}


@dataclass(frozen=True)
class Equipment:
    """One thing that some commands need."""

    name: str  # of the thing
    present: bool  # whether it is there and of use
    found: str  # version or place; what is wrong if it is not of use
    purpose: str  # what it is for
    get: str = ""  # command, or what to do, where it is missing; empty if it is there


Probe = Callable[[], tuple[bool, str]]
"""Whether a thing is there and of use, and its version or place, or what is wrong."""


def survey() -> tuple[Equipment, ...]:
    """Everything that is known to be of use; without importing PyTorch."""
    rows = [(name, *probe(), purpose, cure) for name, purpose, probe, cure in _KNOWN]
    for extra in extras():
        there = ", ".join(f"{each} {number}" for each, number in extra.installed.items())
        found = f"no {', '.join(extra.missing)}" if extra.missing else there
        purpose, cure = PURPOSES.get(extra.name, ""), _install(extra.name)
        rows.append((f"extra {extra.name}", not extra.missing, found, purpose, cure))
    return tuple(
        Equipment(name, present, found, purpose, "" if present else cure)
        for name, present, found, purpose, cure in rows
    )


def torch_cuda() -> str | None:
    """The CUDA version that PyTorch is built for, read from its files; `None` without."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    with suppress(OSError):
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
        found = _CUDA_LINE.search(text)
        value = found.group(1).strip().strip("'\"") if found else "None"
        return None if value == "None" else value
    return None


def _cuda() -> tuple[bool, str]:
    driver, cuda, torch = kernel_driver(), torch_cuda(), "(not installed)"
    with suppress(PackageNotFoundError):
        torch = version("torch")
    if driver is None:
        return False, "no NVIDIA driver"
    if cuda is None:
        return False, f"driver {driver}, but PyTorch {torch} is built without CUDA"
    return True, f"driver {driver}, PyTorch {torch} for CUDA {cuda}"


def _energy() -> tuple[bool, str]:
    nvml = nvml_library()
    if nvml is None:
        return False, "no nvidia-ml-py"
    try:
        with initialised(nvml):
            handle = nvml.nvmlDeviceGetHandleByIndex(0)
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            return True, str(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        return False, f"NVML says: {error}"


def _latex() -> tuple[bool, str]:
    place = shutil.which("pdflatex")
    if place is None:
        return False, "no pdflatex"
    there = ""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["kpsewhich", *_TEX_PACKAGES]
        there = subprocess.run(
            command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        ).stdout
    lacking = [each for each in _TEX_PACKAGES if each not in there]
    return not lacking, f"{place}, without {', '.join(lacking)}" if lacking else place


def _program(*commands: str) -> Probe:
    """Looks for one of several programs that serve alike."""

    def probe() -> tuple[bool, str]:
        place = next(filter(None, map(shutil.which, commands)), None)
        return place is not None, place or f"no {commands[0]}"

    return probe


# Name, purpose, probe, and how to get it where it is missing.
_KNOWN: tuple[tuple[str, str, Probe, str], ...] = (
    ("GPU", "latency, memory and energy of cases on CUDA", _cuda,
     "use a machine with an NVIDIA GPU and its driver, which nvidia-smi shows; "
     "for a PyTorch without CUDA: pip install --force-reinstall torch"),
    ("energy counter", "the metric energy; clocks and throttling beside latencies", _energy,
     f"pip install '{PACKAGE}[gpu]', on a machine with an NVIDIA GPU of Volta or later"),
    ("git", "the commit in each run; harness gate", _program("git"), "apt-get install git"),
    ("C++ compiler", "compile: true in a suite (torch.compile)",
     _program("c++", "g++", "clang++"), "apt-get install g++"),
    ("LaTeX", "to set tables/*.tex, and the test that does", _latex,
     "apt-get install texlive-latex-recommended texlive-latex-extra texlive-science"),
    ("browser", "tests of the HTML report",
     _program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
     "apt-get install chromium"),
    ("Slurm", "harness run --engine slurm", _program("sbatch"),
     "call harness where sbatch is: on a login node of the cluster"),
    ("training data", "accuracy",
     lambda: (True, "scenes are generated; real images are read from the folder of --data-root"),
     ""),
)  # fmt: skip
