"""The nearest of several keys decides: a spatial relation, which no pool over positions has."""

from typing import TYPE_CHECKING

from harness.training.data.contexts.placing import balanced_variants, place_keys, place_regions
from harness.training.data.contexts.rule import Thing
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def place(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many keys of each variant, regions where one variant is nearest by the margin."""
    tint = draw.uniform()
    variants = balanced_variants(parameters, draw)
    keys = place_keys(variants, [tint] * len(variants), parameters, draw)
    if keys is None:
        return None

    def clear(size: tuple[int, int]) -> "NDArray[np.bool_]":
        return _clear(size, keys, parameters)

    return place_regions(keys, [tint], parameters, draw, clear)


def _clear(
    size: tuple[int, int], keys: list[Thing], parameters: SceneParameters
) -> "NDArray[np.bool_]":
    """Corners where the nearest key beats every key of another variant by the margin."""
    import numpy as np

    rows, columns = (whole - side + 1 for whole, side in zip(parameters.size, size, strict=True))
    row = np.arange(rows)[:, None] + (size[0] - 1) / 2
    column = np.arange(columns)[None, :] + (size[1] - 1) / 2
    least = np.full((parameters.variants, rows, columns), np.inf)
    for key in keys:
        away = np.hypot(row - key.box.centre[0], column - key.box.centre[1])
        least[key.variant] = np.minimum(least[key.variant], away)
    least.sort(axis=0)
    clear: NDArray[np.bool_] = least[1] - least[0] >= parameters.margin
    return clear
