"""Cityscapes: 2,975 / 500 finely annotated street scenes of 1024 x 2048 pixels, 19 classes.

Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016. The
archives leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip are unpacked side by side.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.training.data.dataset import VOID, Layout, Lookup, PairedImages, Split, options

# The 19 evaluated classes and their ids in *_labelIds.png (cityscapesScripts, helpers/labels.py).
EVALUATED = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23,
    "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32,
    "bicycle": 33,
}  # fmt: skip

# Ids run from 0 to 33; those above are evaluated, the others are not. The license plate has id -1,
# which 8 bits show as 255.
_LAST_ID = 33


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> PairedImages:
    """A split of Cityscapes; see `harness.training.data.dataset.open_data`."""
    options("cityscapes", parameters, {})
    layout = Layout(
        "cityscapes",
        "expected leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and "
        "gtFine/SPLIT/CITY/*_gtFine_labelIds.png",
        root,
        required=["leftImg8bit"],
    )
    labels = layout.folder(f"gtFine/{split}")
    pairs = []
    for image in layout.files(layout.folder(f"leftImg8bit/{split}"), "*/*_leftImg8bit.png"):
        frame = image.name.removesuffix("_leftImg8bit.png")
        pairs.append((image, labels / image.parent.name / f"{frame}_gtFine_labelIds.png"))
    void = [value for value in range(_LAST_ID + 1) if value not in EVALUATED.values()]
    table = {value: index for index, value in enumerate(EVALUATED.values())}
    decode, complete = Lookup(table, [*void, VOID]), layout.complete(pairs)
    return PairedImages("cityscapes", tuple(EVALUATED), layout.root, complete, decode=decode)
