"""Small data sets in the layouts of their publishers."""

import numpy as np
from PIL import Image


def picture(path, size=(6, 9), value=0):
    """An image of (H, W) whose red channel counts columns."""
    pixels = np.zeros((*size, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(size[1])
    pixels[..., 1] = value
    _save(path, pixels)


def values(path, array):
    """A file of one value per pixel."""
    _save(path, np.asarray(array, dtype=np.uint8))


def colours(path, array):
    """(H, W, 3) as an image."""
    _save(path, np.asarray(array, dtype=np.uint8))


def filled(*pixels, size=(6, 9)):
    """(H, W) of the last value, the first row starting with the others."""
    array = np.full(size, pixels[-1])
    array[0, : len(pixels)] = pixels
    return array


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        Image.fromarray(array).save(path, quality=95)
    else:
        Image.fromarray(array).save(path)
