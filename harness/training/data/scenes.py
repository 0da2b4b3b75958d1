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

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.training.data.dataset import Sample, Split
from harness.training.data.parameters import KINDS, SceneParameters
from harness.training.data.scene_cache import Arrays, cached, default_folder
from harness.training.data.scene_image import compose

if TYPE_CHECKING:
    from torch import Tensor


class SceneData:
    """A split of `scenes`, in memory as 8-bit images.

    Args:
        split: `train` or `val`: other images of the same distribution.
        parameters: what determines them.
        folder: where generated splits are kept.

    Raises:
        DataError: the parameters leave no room for what must stand in an image.
    """

    def __init__(self, split: Split, parameters: SceneParameters, folder: Path) -> None:
        self.split: Split = split
        self.parameters = parameters
        self.classes = parameters.classes
        self.version = parameters.version(split)
        count, (height, width) = parameters.length(split), parameters.size
        shapes = {
            "images": (count, height, width, 3),
            "labels": (count, height, width),
            "kinds": (count,),
        }
        self._arrays = cached(folder, self.version, shapes, self._generate)

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
    def kinds(self) -> tuple[str, ...]:
        """The kind of context of each sample, one of `parameters.KINDS`."""
        return tuple(KINDS[kind] for kind in self._arrays["kinds"])

    def _generate(self) -> Arrays:
        import numpy as np

        count = self.parameters.length(self.split)
        made = [compose(self.parameters, self.split, index) for index in range(count)]
        return {
            "images": np.stack([one.image for one in made]),
            "labels": np.stack([one.labels for one in made]),
            "kinds": np.array([KINDS.index(one.kind) for one in made], dtype=np.uint8),
        }


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> SceneData:
    """A split of `scenes`; see `harness.training.data.dataset.open_data`."""
    return SceneData(split, SceneParameters.parse(parameters), root or default_folder())
