"""The class of other pixels of the same category decides: a relation between contents.

A category is a tint, drawn anew for every image, so that no network knows it beforehand: a pool
would need a channel for each pair of tint and variant, a relation by similarity needs none.
"""

from harness.training.data.contexts.placing import balanced_variants, place_keys, place_regions
from harness.training.data.contexts.rule import Thing
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters

# Share of the distance between neighbouring tints by which each may be moved: they stay at least
# half a distance apart.
_MOVED = 0.5


def place(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many keys of each variant, each of its own tint; regions of any of these tints."""
    variants = balanced_variants(parameters, draw)
    tints = _distinct_tints(len(variants), draw)
    keys = place_keys(variants, tints, parameters, draw)
    return None if keys is None else place_regions(keys, tints, parameters, draw)


def _distinct_tints(count: int, draw: Draw) -> list[float]:
    turn = draw.uniform()
    return [(turn + (i + _MOVED * draw.uniform()) / count) % 1.0 for i in range(count)]
