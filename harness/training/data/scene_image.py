"""One image of `scenes`: what stands in it, how it looks, and what each pixel is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.training.data.contexts import PLACES
from harness.training.data.contexts.rule import Thing
from harness.training.data.dataset import DataError, Split
from harness.training.data.draw import Draw
from harness.training.data.parameters import KINDS, SceneParameters
from harness.training.data.texture import GROUND, look

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# New attempts at an image whose keys or rings found no room, before the parameters are to blame.
_ATTEMPTS = 200


@dataclass(frozen=True)
class SceneImage:
    """An image with its labels.

    Attributes:
        kind: of context.
        things: keys, rings and regions.
        image: (H, W, 3), 8 bits.
        labels: (H, W), 8 bits: index into `SceneParameters.classes`.
    """

    kind: str
    things: tuple[Thing, ...]
    image: "NDArray[np.uint8]"
    labels: "NDArray[np.uint8]"


def compose(parameters: SceneParameters, split: Split, index: int) -> SceneImage:
    """The image at an index of a split.

    Raises:
        DataError: the parameters leave no room for what must stand in an image.
    """
    draw = Draw(parameters.seed, 0 if split == "train" else 1, index)
    kind = _kind(parameters, draw)
    for _ in range(_ATTEMPTS):
        if (things := PLACES[kind](parameters, draw)) is not None:
            return SceneImage(
                kind, tuple(things), paint(things, parameters, draw), label(things, parameters)
            )
    height, width = parameters.size
    raise DataError(
        f"an image of {height} x {width} pixels has no room for the keys and regions of the "
        f"context {kind}; raise size, or lower gap, keys, key_size, variants or region_size"
    )


def paint(things: Sequence[Thing], parameters: SceneParameters, draw: Draw) -> "NDArray[np.uint8]":
    """(H, W, 3): things on a plain ground, with noise over all."""
    import numpy as np

    height, width = parameters.size
    canvas = np.full((height, width, 3), GROUND, dtype=np.float32)
    for thing in things:
        colours = look(thing, (draw.uniform(), draw.uniform()), parameters.contrast)
        np.copyto(_window(canvas, thing), colours, where=mask(thing, parameters)[..., None])
    canvas += parameters.noise * draw.noise(canvas.shape)
    return np.asarray(np.rint(canvas.clip(0, 1) * 255), dtype=np.uint8)


def label(things: Sequence[Thing], parameters: SceneParameters) -> "NDArray[np.uint8]":
    """(H, W): the class of each pixel."""
    import numpy as np

    labels = np.zeros(parameters.size, dtype=np.uint8)
    for thing in things:
        first = 1 if thing.form != "region" else 1 + parameters.variants * (1 + thing.texture)
        _window(labels, thing)[mask(thing, parameters)] = first + thing.variant
    return labels


def mask(thing: Thing, parameters: SceneParameters) -> "NDArray[np.bool_]":
    """(h, w): which pixels of its box a thing covers."""
    import numpy as np

    height, width = thing.box.height, thing.box.width
    covered = np.ones((height, width), dtype=np.bool_)
    if thing.form == "ring":
        line = parameters.ring_width
        covered[line:-line, line:-line] = False
    if thing.oval:
        row = (np.arange(height)[:, None] - (height - 1) / 2) / (height / 2)
        column = (np.arange(width)[None, :] - (width - 1) / 2) / (width / 2)
        covered &= row**2 + column**2 <= 1
    return covered


def _window(canvas: "NDArray[np.generic]", thing: Thing) -> "NDArray[np.generic]":
    box = thing.box
    return canvas[box.top : box.top + box.height, box.left : box.left + box.width]


def _kind(parameters: SceneParameters, draw: Draw) -> str:
    at = draw.uniform(0, sum(parameters.context.values()))
    for kind in KINDS:
        at -= parameters.context.get(kind, 0.0)
        if at < 0:
            return kind
    return max(parameters.context, key=lambda kind: parameters.context[kind])
