"""Photographs of surfaces, from which `scenes` may take its textures.

They are those that scikit-image ships in its wheel (brick, grass and
gravel; 512 x 512, grey). Only the files are read: the package itself takes a second to import.
"""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.training.data.dataset import DataError, read_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PHOTOGRAPHS = ("brick", "grass", "gravel")

# A region of some ten pixels would show a single brick, a few blades: means over squares of this
# side keep several in sight.
_SQUARE = 4

# Standard deviations of the brightness that the range from -1 to 1 holds; beyond, it is cut.
_DEVIATIONS = 2.0


@cache
def photograph(index: int) -> "NDArray[np.float32]":
    """(128, 128) in [-1, 1]: the brightness of a photograph, of mean about 0.

    Raises:
        DataError: scikit-image is not installed, or has other files.
    """
    import numpy as np

    grey = read_rgb(_file(index)).astype(np.float64).mean(2)
    height, width = (side // _SQUARE for side in grey.shape)
    cut = grey[: height * _SQUARE, : width * _SQUARE]
    small = cut.reshape(height, _SQUARE, width, _SQUARE).mean((1, 3))
    scaled = (small - small.mean()) / (_DEVIATIONS * small.std())
    return np.asarray(scaled.clip(-1, 1), dtype=np.float32)


@cache
def photographs_digest() -> str:
    """Hash of the files: which pixels a version of the data has.

    Raises:
        DataError: see `photograph`.
    """
    whole = hashlib.sha256()
    for index in range(len(PHOTOGRAPHS)):
        whole.update(_file(index).read_bytes())
    return whole.hexdigest()[:16]


def _file(index: int) -> Path:
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise DataError(
            "textures_from: photographs takes those of scikit-image; install it: "
            "pip install 'context-harness[photographs]'"
        )
    path = Path(found.origin).parent / "data" / f"{PHOTOGRAPHS[index]}.png"
    if not path.is_file():
        raise DataError(f"{path} is not there: scikit-image 0.22 to 0.26 ship it")
    return path
