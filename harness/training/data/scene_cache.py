"""Generated splits of `scenes` on disk: made once, read by every later training."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[np.uint8]"]


def default_folder() -> Path:
    """The user's folder for files that can be made again (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "context-harness" / "scenes"


def cached(
    folder: Path, version: str, shapes: dict[str, tuple[int, ...]], make: Callable[[], Arrays]
) -> Arrays:
    """The arrays of a version: from disk if they are there and whole, else made and kept.

    A file that is cut, altered (the archive holds a checksum of each array) or of other shapes is
    made anew. A folder that cannot be written costs the next run the time of making, nothing else.

    Args:
        folder: of all versions.
        version: hash of all that determines the arrays.
        shapes: of each array.
        make: makes them.
    """
    path = folder / f"{version}.npz"
    found = _read(path, shapes)
    if found is not None:
        return found
    made = make()
    try:
        _write(path, made)
    except OSError as error:
        warnings.warn(f"generated images are not kept: {error}", RuntimeWarning, stacklevel=2)
    return made


def _read(path: Path, shapes: dict[str, tuple[int, ...]]) -> Arrays | None:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in shapes}
    except Exception:  # which one depends on the byte that is wrong: zipfile documents no list
        return None
    whole = all(
        array.shape == shapes[name] and array.dtype == np.uint8 for name, array in arrays.items()
    )
    return arrays if whole else None


def _write(path: Path, arrays: Arrays) -> None:
    """Under another name first: no reader ever sees half a file, and the last writer wins."""
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
