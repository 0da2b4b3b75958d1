"""Placing keys and regions, as all kinds of context need it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.training.data.box import Box, choose, places
from harness.training.data.contexts.rule import Thing, decided
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Allowed = Callable[[tuple[int, int]], "NDArray[np.bool_]"]
"""Where a region of a size may stand for reasons of its own, by top left corner."""

# Ground between two things that need not be far from each other, so that they never touch.
SPACING = 2


def balanced_variants(parameters: SceneParameters, draw: Draw) -> list[int]:
    """As many of each variant, in random order: counting them tells nothing."""
    return draw.shuffled(list(range(parameters.variants)) * parameters.keys)


def place_keys(
    variants: Sequence[int], tints: Sequence[float], parameters: SceneParameters, draw: Draw
) -> list[Thing] | None:
    """Keys anywhere; their positions do not depend on their variants."""
    size = (parameters.key_size, parameters.key_size)
    keys: list[Thing] = []
    for variant, tint in zip(variants, tints, strict=True):
        free = places(parameters.size, size, [(key.box, SPACING) for key in keys])
        if (box := choose(free, size, draw)) is None:
            return None
        keys.append(Thing("key", box, tint, variant))
    return keys


def place_regions(
    shown: Sequence[Thing],
    tints: Sequence[float],
    parameters: SceneParameters,
    draw: Draw,
    allowed: Allowed | None = None,
) -> list[Thing] | None:
    """Up to `parameters.regions` regions, beyond the gap from all that shows a variant.

    Args:
        shown: keys of the image.
        tints: each region takes one of them.
        parameters: of the data.
        draw: source of all choices.
        allowed: a further limit on positions.

    Returns:
        The keys and then the regions; `None` where not even one region fits.
    """
    regions: list[Thing] = []
    for _ in range(parameters.regions):
        size = region_size(parameters, draw)
        apart = [(thing.box, parameters.gap) for thing in shown]
        apart += [(region.box, SPACING) for region in regions]
        free = places(parameters.size, size, apart)
        if allowed is not None and free.size:
            free &= allowed(size)
        tint = tints[draw.below(len(tints))]
        if (box := choose(free, size, draw)) is not None:
            regions.append(decided(region_in(box, tint, parameters, draw), shown))
    return [*shown, *regions] if regions else None


def region_size(parameters: SceneParameters, draw: Draw) -> tuple[int, int]:
    """Height and width of a region."""
    return draw.between(*parameters.region_size), draw.between(*parameters.region_size)


def region_in(box: Box, tint: float, parameters: SceneParameters, draw: Draw) -> Thing:
    """A region whose variant is not decided yet."""
    texture = draw.below(parameters.textures)
    return Thing("region", box, tint, 0, texture, oval=draw.uniform() < 0.5)
