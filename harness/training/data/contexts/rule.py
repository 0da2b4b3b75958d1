"""The rule that decides the class of a region, the same in every image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import dist
from typing import Literal

from harness.training.data.box import Box


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground.

    Attributes:
        form: `key` and `ring` show their variant, a `region` does not.
        box: its extent; of a ring the outer one.
        tint: hue, as a share of the circle.
        variant: which of the classes that share a texture.
        texture: of a region.
        oval: an ellipse in the box instead of the whole box.
    """

    form: Literal["key", "ring", "region"]
    box: Box
    tint: float
    variant: int
    texture: int = 0
    oval: bool = False


def deciding(box: Box, tint: float, shown: Sequence[Thing]) -> Thing:
    """The key or ring that decides a region's variant.

    A ring around the region if there is one, otherwise the nearest key (by centres) of the region's
    own tint.

    Args:
        box: of the region.
        tint: of the region.
        shown: keys and rings of the image.
    """
    for thing in shown:
        if thing.form == "ring" and thing.box.encloses(box):
            return thing
    own = [thing for thing in shown if thing.form == "key" and thing.tint == tint]
    return min(own, key=lambda key: dist(key.box.centre, box.centre))


def decided(region: Thing, shown: Sequence[Thing]) -> Thing:
    """The region with the variant that the rule gives it."""
    return replace(region, variant=deciding(region.box, region.tint, shown).variant)
