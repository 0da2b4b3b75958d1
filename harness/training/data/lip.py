"""LIP (Look Into Person): 30,462 / 10,000 images of one person each, 20 classes.

Gong et al., Look Into Person, CVPR 2017; the single-person archives TrainVal_images.zip and
TrainVal_parsing_annotations.zip, unpacked side by side, each in a folder of its name or not.

Six classes are sides of the body, so that a mirrored image needs its left and right exchanged. The
training split does that itself: it has each image twice, as it is and mirrored, and recipes turn
their own mirroring off.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.training.data.dataset import (
    VOID,
    DataError,
    Layout,
    Lookup,
    Pair,
    Split,
    options,
)
from harness.training.data.sides import SidedImages

# By label, from 0 (README_parsing.md of the archive).
CLASSES = (
    "background", "hat", "hair", "glove", "sunglasses", "upper-clothes", "dress", "coat", "socks",
    "pants", "jumpsuits", "scarf", "skirt", "face", "left arm", "right arm", "left leg",
    "right leg", "left shoe", "right shoe",
)  # fmt: skip
SIDES = ((14, 15), (16, 17), (18, 19))

# Some tools unpack an archive into a folder of its name that holds another one of that name.
_IMAGES = (".", "TrainVal_images", "TrainVal_images/TrainVal_images")
_LABELS = (
    ".",
    *("/".join(["TrainVal_parsing_annotations"] * depth) for depth in (1, 2, 3)),
)


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> SidedImages:
    """A split of LIP; see `harness.training.data.dataset.open_data`.

    One parameter: `mirrored` (true), whether the training split also has each image mirrored.
    """
    mirrored = options("lip", parameters, {"mirrored": True})["mirrored"]
    if not isinstance(mirrored, bool):
        raise DataError(f"mirrored of lip is {mirrored!r}; give true or false")
    layout = Layout(
        "lip",
        "expected TrainVal_images/{train,val}_images/*.jpg with {train,val}_id.txt, and "
        "TrainVal_parsing_annotations/{train,val}_segmentations/*.png",
        root,
        inside=(".", "LIP"),
        required=[f"{folder}/train_images" for folder in _IMAGES],
    )
    images = _first(layout, _IMAGES, f"{split}_images")
    labels = _first(layout, _LABELS, f"{split}_segmentations")
    decode = Lookup({number: number for number in range(len(CLASSES))}, [VOID])
    return SidedImages(
        "lip",
        CLASSES,
        layout.root,
        layout.complete(_pairs(layout, images, labels, split)),
        decode=decode,
        sides=SIDES,
        mirrored=mirrored and split == "train",
    )


def _first(layout: Layout, places: tuple[str, ...], folder: str) -> Path:
    found = (layout.root / place / folder for place in places)
    return next((path for path in found if path.is_dir()), None) or layout.folder(folder)


def _pairs(layout: Layout, images: Path, labels: Path, split: Split) -> list[Pair]:
    """By the list of the split, which lies beside its images or at the root; else all images."""
    lists = (folder / f"{split}_id.txt" for folder in (images.parent, layout.root))
    listing = next((path for path in lists if path.is_file()), None)
    names = (
        layout.names(listing)
        if listing is not None
        else [image.stem for image in layout.files(images, "*.jpg")]
    )
    return [(images / f"{name}.jpg", labels / f"{name}.png") for name in names]
