"""Kinds of context: what in an image decides between classes that look alike.

One rule holds for all (`deciding`); the kinds differ in what they place:

- `scene`: one key. Knowing that it is there, anywhere, suffices: global pooling.
- `nearest`: several keys, as many of each variant; the nearest decides. A pool over positions is
  the same in every image, so that a relation between positions is needed.
- `enclosing`: as many rings of each variant; the one around a region decides.
- `category`: as many keys of each variant, each of a tint of its own, drawn anew for every image; a
  region's class is that of the key of its tint: a relation between contents, whatever the distance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import dist
from typing import TYPE_CHECKING, Literal

from harness.training.data.draw import Draw, PixelBox, SceneParameters, choose, places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground."""

    # `key` and `ring` show their variant, a `region` does not
    form: Literal["key", "ring", "region"]
    box: PixelBox  # its extent; of a ring the outer one
    tint: float  # hue, as a share of the circle
    variant: int  # which of the classes that share a texture
    texture: int = 0  # of a region
    oval: bool = False  # an ellipse in the box instead of the whole box


def deciding(box: PixelBox, tint: float, shown: Sequence[Thing]) -> Thing:
    """The key or ring that decides a region's variant.

    A ring around the region if there is one, otherwise the nearest key (by centres) of the region's
    own tint.
    """
    for thing in shown:
        if thing.form == "ring" and thing.box.encloses(box):
            return thing
    own = [thing for thing in shown if thing.form == "key" and thing.tint == tint]
    return min(own, key=lambda key: dist(key.box.centre, box.centre))


def decided(region: Thing, shown: Sequence[Thing]) -> Thing:
    """The region with the variant that the rule gives it."""
    return replace(region, variant=deciding(region.box, region.tint, shown).variant)


Allowed = Callable[[tuple[int, int]], "NDArray[np.bool_]"]
"""Where a region of a size may stand for reasons of its own, by top left corner."""

SPACING = 2  # pixels of ground between things that need not be far apart, so that none touch


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

    Each region takes one of the tints. `allowed` is a further limit on positions.

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


def region_in(box: PixelBox, tint: float, parameters: SceneParameters, draw: Draw) -> Thing:
    """A region whose variant is not decided yet."""
    texture = draw.below(parameters.textures)
    return Thing("region", box, tint, 0, texture, oval=draw.uniform() < 0.5)


# A category is a tint, drawn anew for every image, so that no network knows it beforehand: a pool
# would need a channel for each pair of tint and variant, a relation by similarity needs none.

# Share of the distance between neighbouring tints by which each may be moved.
_MOVED = 0.5


def place_category(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many keys of each variant, each of its own tint; regions of any of these tints."""
    variants = balanced_variants(parameters, draw)
    turn, count = draw.uniform(), len(variants)
    tints = [(turn + (i + _MOVED * draw.uniform()) / count) % 1.0 for i in range(count)]
    keys = place_keys(variants, tints, parameters, draw)
    return None if keys is None else place_regions(keys, tints, parameters, draw)


def place_enclosing(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many rings of each variant, one region in the middle of each, beyond the gap."""
    tint = draw.uniform()
    variants = balanced_variants(replace(parameters, keys=1), draw)
    border = parameters.gap + parameters.ring_width
    rings: list[Thing] = []
    regions: list[Thing] = []
    for variant in variants:
        height, width = region_size(parameters, draw)
        outer = (height + 2 * border, width + 2 * border)
        apart = [(ring.box, SPACING) for ring in rings]
        box = choose(places(parameters.size, outer, apart), outer, draw)
        if box is None:
            return None
        rings.append(Thing("ring", box, tint, variant))
        inner = PixelBox(box.top + border, box.left + border, height, width)
        regions.append(region_in(inner, tint, parameters, draw))
    return [*rings, *(decided(region, rings) for region in regions)]


def place_nearest(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many keys of each variant, regions where one variant is nearest by the margin."""
    tint = draw.uniform()
    variants = balanced_variants(parameters, draw)
    keys = place_keys(variants, [tint] * len(variants), parameters, draw)
    if keys is None:
        return None

    def clear(size: tuple[int, int]) -> "NDArray[np.bool_]":
        """Corners where the nearest key beats every key of another variant by the margin."""
        import numpy as np

        rows, columns = (w - side + 1 for w, side in zip(parameters.size, size, strict=True))
        row = np.arange(rows)[:, None] + (size[0] - 1) / 2
        column = np.arange(columns)[None, :] + (size[1] - 1) / 2
        least = np.full((parameters.variants, rows, columns), np.inf)
        for key in keys:
            away = np.hypot(row - key.box.centre[0], column - key.box.centre[1])
            least[key.variant] = np.minimum(least[key.variant], away)
        least.sort(axis=0)
        return np.asarray(least[1] - least[0] >= parameters.margin)

    return place_regions(keys, [tint], parameters, draw, clear)


def place_scene(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """A key anywhere, regions anywhere beyond the gap."""
    tint = draw.uniform()
    keys = place_keys([draw.below(parameters.variants)], [tint], parameters, draw)
    return None if keys is None else place_regions(keys, [tint], parameters, draw)


Placing = Callable[[SceneParameters, Draw], list[Thing] | None]
"""Places the things of one image; `None` where one that must be there has no room."""

PLACES: dict[str, Placing] = {
    "scene": place_scene,
    "nearest": place_nearest,
    "enclosing": place_enclosing,
    "category": place_category,
}
