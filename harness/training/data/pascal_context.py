"""PASCAL-Context: 4,998 / 5,105 images of PASCAL VOC 2010, 59 classes.

Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation in the Wild,
CVPR 2014. Two layouts of the annotations are read, both beside the folders of VOC 2010:

- as published: trainval/*.mat, a matrix LabelMap of 459 categories (needs SciPy, the extra `data`);
- as exported for training: SegmentationClassContext/*.png, 0 for the background and 1 to 59 for the
  classes.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from harness.training.data.dataset import (
    VOID,
    DataError,
    Layout,
    Lookup,
    PairedImages,
    Split,
    options,
    read_matlab,
)

# The 59 most frequent of the 459 categories with their numbers in the publishers' labels.txt. By
# number, as the exported images count them; other listings put the 20 objects of VOC first.
CATEGORIES = {
    "aeroplane": 2, "bag": 9, "bed": 18, "bedclothes": 19, "bench": 22, "bicycle": 23,
    "bird": 25, "boat": 31, "book": 33, "bottle": 34, "building": 44, "bus": 45, "cabinet": 46,
    "car": 59, "cat": 65, "ceiling": 68, "chair": 72, "cloth": 80, "computer": 85, "cow": 98,
    "cup": 104, "curtain": 105, "dog": 113, "door": 115, "fence": 144, "floor": 158,
    "flower": 159, "food": 162, "grass": 187, "ground": 189, "horse": 207, "keyboard": 220,
    "light": 232, "motorbike": 258, "mountain": 259, "mouse": 260, "person": 284, "plate": 295,
    "platform": 296, "pottedplant": 308, "road": 324, "rock": 326, "sheep": 347, "shelves": 349,
    "sidewalk": 354, "sign": 355, "sky": 360, "snow": 366, "sofa": 368, "table": 397,
    "track": 415, "train": 416, "tree": 420, "truck": 424, "tvmonitor": 427, "wall": 440,
    "water": 445, "window": 454, "wood": 458,
}  # fmt: skip

_LAST_CATEGORY = 459

_EXPECTED = (
    "expected VOC2010/JPEGImages/*.jpg, lists in VOC2010/ImageSets, and labels in "
    "VOC2010/SegmentationClassContext/*.png or trainval/*.mat"
)
_INSIDE = (".", "VOC2010", "VOCdevkit/VOC2010")


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> PairedImages:
    """A split of PASCAL-Context; see `harness.training.data.dataset.open_data`.

    One parameter: `background` (false) makes all other categories a class of its own, the first of
    60, in place of void.
    """
    background = options("pascal_context", parameters, {"background": False})["background"]
    if not isinstance(background, bool):
        raise DataError(f"background of pascal_context is {background!r}; give true or false")
    layout = Layout("pascal_context", _EXPECTED, root, inside=_INSIDE, required=["JPEGImages"])
    images = layout.folder("JPEGImages")
    labels = _annotations(layout)
    matlab = labels.name == "trainval"
    # The list that comes with the exported labels, else that of VOC 2010, which is the same.
    lists = layout.root / "ImageSets"
    listed = lists / "SegmentationContext" / f"{split}.txt"
    if not listed.is_file():
        listed = lists / "Main" / f"{split}.txt"
    ending = ".mat" if matlab else ".png"
    pairs = [(images / f"{name}.jpg", labels / f"{name}{ending}") for name in layout.names(listed)]
    base = layout.root if labels.is_relative_to(layout.root) else labels.parent
    return PairedImages(
        "pascal_context",
        (*(("background",) if background else ()), *CATEGORIES),
        base,
        layout.complete(pairs),
        decode=_lookup(matlab, background),
        mapping=matlab,
    )


def _annotations(layout: Layout) -> Path:
    exported = layout.root / "SegmentationClassContext"
    beside = [layout.root, *list(layout.root.parents)[:2]]
    for folder in (exported, *(above / "trainval" for above in beside)):
        if folder.is_dir():
            return folder
    raise layout.wrong(f"neither {exported} nor trainval beside it is there")


def _lookup(matlab: bool, background: bool) -> Lookup:
    values = list(CATEGORIES.values()) if matlab else list(range(1, len(CATEGORIES) + 1))
    table = {value: index + background for index, value in enumerate(values)}
    last = _LAST_CATEGORY if matlab else len(CATEGORIES)
    others = [value for value in range(last + 1) if value not in table]
    if background:
        table |= dict.fromkeys(others, 0)
        others = []
    if matlab:  # 255 is a category there: money
        return Lookup(table, others, partial(read_matlab, variable="LabelMap"))
    return Lookup(table, [*others, VOID])
