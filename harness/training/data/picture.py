"""Reading image files and label files as arrays.

Pillow reads them; it comes with matplotlib, which the harness needs anyway. Annotations in files of
MATLAB need SciPy, the extra `data`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.training.data.dataset import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_rgb(path: Path) -> "NDArray[np.uint8]":
    """(H, W, 3), 8 bits.

    Raises:
        DataError: the file is missing, damaged, or no image.
    """
    return _read(path, "RGB")


def read_indices(path: Path) -> "NDArray[np.integer[Any]]":
    """(H, W): the value of each pixel of a grey or indexed image.

    Raises:
        DataError: the file is missing, damaged, no image, or an image of several channels.
    """
    values = _read(path, None)
    if values.ndim != 2:
        raise DataError(f"{path} has colours where one label per pixel was expected")
    return values


def read_matlab(path: Path, variable: str) -> "NDArray[np.integer[Any]]":
    """(H, W): a matrix of a MATLAB file.

    Raises:
        DataError: SciPy is missing, or the file is missing, damaged or without the variable.
    """
    import numpy as np

    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DataError(
            f'reading {path.name} needs SciPy: pip install "context-harness[data]"'
        ) from error
    try:
        content = loadmat(path, variable_names=[variable])
    # A damaged file raises whatever the reader of its parts raises.
    except Exception as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if variable not in content or np.ndim(content[variable]) != 2:
        raise DataError(f"{path} holds no matrix {variable}")
    return np.asarray(content[variable]).astype(np.int64)


def _read(path: Path, mode: str | None) -> "NDArray[Any]":
    import numpy as np

    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("reading images needs Pillow: pip install pillow") from error
    try:
        with Image.open(path) as file:
            return np.asarray(file if mode is None else file.convert(mode))
    # Pillow raises OSError for most, SyntaxError and ValueError for some damaged files.
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"cannot read the image {path}: {error}") from error
