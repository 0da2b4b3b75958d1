"""The enclosing ring decides: a region's class follows from what lies around it."""

from dataclasses import replace

from harness.training.data.box import Box, choose, places
from harness.training.data.contexts.placing import (
    SPACING,
    balanced_variants,
    region_in,
    region_size,
)
from harness.training.data.contexts.rule import Thing, decided
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters


def place(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """As many rings of each variant, one region in the middle of each, beyond the gap."""
    tint = draw.uniform()
    variants = balanced_variants(replace(parameters, keys=1), draw)
    rings: list[Thing] = []
    regions: list[Thing] = []
    for variant in variants:
        border = parameters.gap + parameters.ring_width
        height, width = region_size(parameters, draw)
        outer = (height + 2 * border, width + 2 * border)
        apart = [(ring.box, SPACING) for ring in rings]
        box = choose(places(parameters.size, outer, apart), outer, draw)
        if box is None:
            return None
        rings.append(Thing("ring", box, tint, variant))
        inner = Box(box.top + border, box.left + border, height, width)
        regions.append(region_in(inner, tint, parameters, draw))
    return [*rings, *(decided(region, rings) for region in regions)]
