"""`scenes`: a procedural data set made for context.

Things stand on a plain ground. Textured regions come in classes that share a texture: by sight
alone they cannot be told apart. What decides between them is a key or a ring elsewhere in the image
(`harness.training.data.contexts`), never nearer than `gap` pixels. So

- a network whose receptive field has a radius of at most `gap` has a ceiling, which
  `harness.training.data.ceiling` computes: mIoU 5/9 with the default 3 textures of 2 variants;
- a network that uses all of the image can be right everywhere;
- pooling over all positions helps with the context `scene` alone, because keys of all variants are
  as many in the other kinds.

Why the first holds: exchange the variants of all keys and rings of an image, and with them the
classes of all regions. The new image is as probable as the old one (positions, textures and tints
are drawn without regard to variants), and every window that shows no key or ring is the same pixel
for pixel. So, given such a window, all variants are equally probable.

Mirroring keeps all of this. Cropping may cut off what decides, and scaling changes the wavelengths
by which textures are told apart: a recipe for this data should do neither.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.environment.files import cache_folder, write_atomically
from harness.training.data.contexts import PLACES, Thing
from harness.training.data.dataset import DataError, Sample, Split
from harness.training.data.draw import CONTEXTS, Draw, SceneParameters
from harness.training.data.photographs import photograph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class SceneData:
    """A split of `scenes`, in memory as 8-bit images; generated splits are kept in a folder.

    Raises:
        DataError: the parameters leave no room for what must stand in an image.
    """

    def __init__(self, split: Split, parameters: SceneParameters, folder: Path) -> None:
        self.split: Split = split
        self.parameters = parameters
        self.classes = parameters.classes
        self.version = parameters.version(split)
        count, (height, width) = parameters.length(split), parameters.size
        shapes: dict[str, tuple[int, ...]] = {
            "images": (count, height, width, 3),
            "labels": (count, height, width),
            "kinds": (count,),
        }
        if parameters.key_labels != "own":  # then labels do not tell where keys are
            shapes["shown"] = (count, height, width)

        def generate() -> Arrays:
            import numpy as np

            made = [compose(parameters, split, index) for index in range(count)]
            return {
                "images": np.stack([one.image for one in made]),
                "labels": np.stack([one.labels for one in made]),
                "kinds": np.array([CONTEXTS.index(one.kind) for one in made], dtype=np.uint8),
                "shown": np.stack([shown(one.things, parameters) for one in made]),
            }

        self._arrays = cached(folder, self.version, shapes, generate)

    def __len__(self) -> int:
        return len(self._arrays["kinds"])

    def __getitem__(self, index: int) -> Sample:
        import torch

        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        image = torch.from_numpy(self._arrays["images"][index]).permute(2, 0, 1)
        labels = torch.from_numpy(self._arrays["labels"][index])
        return Sample(image.contiguous().float().div_(255), labels.long())

    @property
    def labels(self) -> "Tensor":
        """(N, H, W), 8 bits: the labels of all samples."""
        import torch

        return torch.from_numpy(self._arrays["labels"])

    @property
    def shown(self) -> "Tensor":
        """(N, H, W) truth values: pixels of keys and rings, which show their variant."""
        import torch

        if "shown" in self._arrays:
            return torch.from_numpy(self._arrays["shown"]) > 0
        return (self.labels >= 1) & (self.labels <= self.parameters.variants)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of context of each sample, one of `parameters.CONTEXTS`."""
        return tuple(CONTEXTS[kind] for kind in self._arrays["kinds"])


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> SceneData:
    """A split of `scenes`; see `harness.training.data.dataset.open_data`."""
    return SceneData(split, SceneParameters.parse(parameters), root or scenes_folder())


@dataclass(frozen=True)
class SceneImage:
    """An image with its labels."""

    kind: str  # of context
    things: tuple[Thing, ...]  # keys, rings and regions
    image: "NDArray[np.uint8]"  # (H, W, 3), 8 bits
    labels: "NDArray[np.uint8]"  # (H, W), 8 bits: index into `SceneParameters.classes`


_ATTEMPTS = 200  # at an image whose keys or rings found no room, before the parameters are to blame


def compose(parameters: SceneParameters, split: Split, index: int) -> SceneImage:
    """The image at an index of a split.

    Raises:
        DataError: the parameters leave no room for what must stand in an image.
    """
    draw = Draw(parameters.seed, 0 if split == "train" else 1, index)
    kind = draw.weighted({kind: parameters.context.get(kind, 0.0) for kind in CONTEXTS})
    for _ in range(_ATTEMPTS):
        if (things := PLACES[kind](parameters, draw)) is not None:
            image, labels = paint_scene(things, parameters, draw), label(things, parameters)
            return SceneImage(kind, tuple(things), image, labels)
    height, width = parameters.size
    raise DataError(
        f"an image of {height} x {width} pixels has no room for the keys and regions of the "
        f"context {kind}; raise size, or lower gap, keys, key_size, variants or region_size"
    )


# Mean brightness; keys are brighter, so that they are known by sight whatever their texture.
GROUND, REGION, KEY = 0.35, 0.5, 0.65


def paint_scene(
    things: Sequence[Thing], parameters: SceneParameters, draw: Draw
) -> "NDArray[np.uint8]":
    """(H, W, 3): things on a plain ground, with noise over all."""
    import numpy as np

    height, width = parameters.size
    canvas = np.full((height, width, 3), GROUND, dtype=np.float32)
    for thing in things:
        painted = colours(thing, (draw.uniform(), draw.uniform()), parameters)
        np.copyto(_window(canvas, thing), painted, where=mask(thing, parameters)[..., None])
    canvas += parameters.noise * draw.noise(canvas.shape)
    return np.asarray(np.rint(canvas.clip(0, 1) * 255), dtype=np.uint8)


def label(things: Sequence[Thing], parameters: SceneParameters) -> "NDArray[np.uint8]":
    """(H, W): the class of each pixel."""
    import numpy as np

    labels = np.zeros(parameters.size, dtype=np.uint8)
    for thing in things:
        own = thing.form == "region" and parameters.key_labels == "own"
        first = 1 + parameters.variants * (1 + thing.texture) if own else 1
        _window(labels, thing)[mask(thing, parameters)] = first + thing.variant
    return labels


def shown(things: Sequence[Thing], parameters: SceneParameters) -> "NDArray[np.uint8]":
    """(H, W): 1 where a key or ring stands, else 0."""
    import numpy as np

    covered = np.zeros(parameters.size, dtype=np.uint8)
    for thing in things:
        if thing.form != "region":
            _window(covered, thing)[mask(thing, parameters)] = 1
    return covered


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


# Wavelengths in pixels: far enough apart to be told by a window of 7 pixels, all above the 2 pixels
# below which a grid cannot show them. Three patterns of each make `parameters.MAX_TEXTURES`.
WAVELENGTHS = (3.0, 5.0, 8.0)

CHROMA = 0.15  # length of the coloured part of a tint, at right angles to grey
_AXES = ((0.7071, -0.7071, 0.0), (0.4082, 0.4082, -0.8165))


def pattern(
    index: int, shape: tuple[int, int], phase: tuple[float, float]
) -> "NDArray[np.float32]":
    """(H, W) in [-1, 1]: rows, columns or a chequered field, by wavelength.

    A mirrored pattern is the same pattern at another phase, so that mirroring an image, as training
    does, changes no texture into another.

    Indices run from 0 to 8: three patterns at the first wavelength, three at the next, ... Phases
    of the wave down and of the wave across are shares of a period.
    """
    import numpy as np

    wave, kind = 2 * np.pi / WAVELENGTHS[index // 3], index % 3
    down = np.cos(wave * np.arange(shape[0]) + 2 * np.pi * phase[0])[:, None]
    across = np.cos(wave * np.arange(shape[1]) + 2 * np.pi * phase[1])[None, :]
    field = (down * np.ones_like(across), np.ones_like(down) * across, down * across)[kind]
    return np.asarray(field, dtype=np.float32)


def surface(
    index: int, shape: tuple[int, int], phase: tuple[float, float]
) -> "NDArray[np.float32]":
    """(H, W) in [-1, 1]: a part of a photograph.

    Args:
        index: of `harness.training.data.photographs.PHOTOGRAPHS`.
        shape: in pixels; where it is larger than the photograph, that is repeated.
        phase: where the part begins, down and across, as shares of the photograph.

    Raises:
        DataError: there is no photograph.
    """
    import numpy as np

    whole = photograph(index)
    down, across = (
        (int(share * side) + np.arange(count)) % side
        for share, side, count in zip(phase, whole.shape, shape, strict=True)
    )
    return whole[np.ix_(down, across)]


def colours(
    thing: Thing, phase: tuple[float, float], parameters: SceneParameters
) -> "NDArray[np.float32]":
    """(h, w, 3): the colours of a thing over its box."""
    import numpy as np

    shows = thing.form != "region"
    index = thing.variant if shows else thing.texture
    paint = surface if parameters.textures_from == "photographs" else pattern
    wave = paint(index, (thing.box.height, thing.box.width), phase)
    angle = 2 * np.pi * thing.tint
    colour = np.asarray(_AXES[0]) * np.cos(angle) + np.asarray(_AXES[1]) * np.sin(angle)
    grey = (KEY if shows else REGION) + parameters.contrast * wave
    return np.asarray(grey[..., None] + CHROMA * colour, dtype=np.float32)


Arrays = dict[str, "NDArray[np.uint8]"]


def scenes_folder() -> Path:
    """The user's folder for scenes that were drawn."""
    return cache_folder("scenes")


def cached(
    folder: Path, version: str, shapes: dict[str, tuple[int, ...]], make: Callable[[], Arrays]
) -> Arrays:
    """The arrays of a version: from disk if they are there and whole, else made and kept.

    A file that is cut, altered (the archive holds a checksum of each array) or of other shapes is
    made anew. A folder that cannot be written costs the next run the time of making, nothing else.
    """
    import numpy as np

    path = folder / f"{version}.npz"
    # Which error it is depends on the byte that is wrong: zipfile documents no list.
    with suppress(Exception), np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in shapes}
        if all(x.shape == shapes[name] and x.dtype == np.uint8 for name, x in arrays.items()):
            return arrays
    made = make()
    try:
        archive = BytesIO()
        np.savez(archive, **made)  # type: ignore[arg-type]
        write_atomically(path, archive.getvalue())
    except OSError as error:
        warnings.warn(f"generated images are not kept: {error}", RuntimeWarning, stacklevel=2)
    return made
