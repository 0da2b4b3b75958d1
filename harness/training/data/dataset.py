"""What every data set answers, and the names under which one is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.errors import HarnessError
from harness.wording import suggest

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "val"]

VOID = 255
"""Label of pixels that belong to no class: neither trained on nor counted."""


class DataError(HarnessError):
    """A data set is missing, laid out in another way, damaged, or asked for what it cannot give."""


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        image: (3, H, W), float32, RGB in [0, 1].
        labels: (H, W), int64: index into `SegmentationData.classes`, or `VOID`.
    """

    image: "Tensor"
    labels: "Tensor"


class SegmentationData(Protocol):
    """One split of a data set; the same index gives the same sample always and everywhere."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a label is an index into them."""

    @property
    def version(self) -> str:
        """Hash of everything that determines the samples."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """The sample at an index from 0 to the length, exclusive."""


NAMES = ("scenes", "cityscapes", "ade20k", "pascal_context", "coco_stuff", "camvid")
"""What `open_data` knows."""


def open_data(
    name: str,
    split: Split,
    *,
    root: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> SegmentationData:
    """One split of a data set.

    Args:
        name: one of `NAMES`.
        split: `train` or `val`.
        root: the folder of a real data set, as its publishers lay it out; for `scenes` the folder
            that caches generated splits (`None`: the user's cache folder).
        parameters: keyword arguments of the data set, plain JSON values (for `scenes` the fields of
            `harness.training.data.parameters.SceneParameters`).

    Raises:
        DataError: unknown name, split or parameter, or a folder that is not laid out as expected.
    """
    if name not in NAMES:
        raise DataError(f"no data set is called {name!r}: {suggest(name, NAMES, 'data sets')}")
    if split not in ("train", "val"):
        raise DataError(f"the splits of data are train and val, not {split!r}")
    from importlib import import_module

    opened: SegmentationData = import_module(f"harness.training.data.{name}").open_split(
        split, root, dict(parameters or {})
    )
    return opened
