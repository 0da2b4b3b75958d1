"""Each real data set in miniature: its publishers' folders, names and encodings of labels.

Images of 40 x 56 pixels: blocks of labels, each in a colour of its own with noise, and a row of
what is void. Two images for training, one for validation.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (40, 56)
_BLOCK = 8

Array = NDArray[np.int64]


def cityscapes(root: Path) -> None:
    """8 bits of ids, 255 for the license plate, and the polygons and colours that lie beside."""
    ids = [7, 8, 11, 21, 23, 24, 26, 33]
    frames = {
        "train": ["aachen/aachen_000000_000019", "bremen/bremen_000101_000019"],
        "val": ["frankfurt/frankfurt_000000_000294"],
    }
    for split, names in frames.items():
        for seed, name in enumerate(names):
            labels = blocks(ids, seed, void=[0, 1, 3, 255])
            picture(root / f"leftImg8bit/{split}/{name}_leftImg8bit.png", labels)
            grey(root / f"gtFine/{split}/{name}_gtFine_labelIds.png", labels)
            coloured(root / f"gtFine/{split}/{name}_gtFine_color.png", labels)
            (root / f"gtFine/{split}/{name}_gtFine_polygons.json").write_text(json.dumps({}))


def ade20k(root: Path) -> None:
    """JPEG, and 8 bits that count from 1."""
    folder = root / "ADEChallengeData2016"
    names = {"training": ["ADE_train_00000001", "ADE_train_00000002"],
             "validation": ["ADE_val_00000001"]}  # fmt: skip
    for split, several in names.items():
        for seed, name in enumerate(several):
            labels = blocks([1, 2, 3, 4, 7, 13, 150], seed, void=[0])
            picture(folder / f"images/{split}/{name}.jpg", labels)
            grey(folder / f"annotations/{split}/{name}.png", labels)


def pascal_context(root: Path) -> None:
    """Beside VOC 2010; labels as an image with a palette, whose index is the class."""
    folder = root / "VOCdevkit/VOC2010"
    lists = folder / "ImageSets/SegmentationContext"
    lists.mkdir(parents=True)
    names = {"train": ["2008_000002", "2008_000003"], "val": ["2008_000007"]}
    for split, several in names.items():
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in several))
        for seed, name in enumerate(several):
            labels = blocks([1, 2, 19, 37, 59], seed, void=[0])
            picture(folder / f"JPEGImages/{name}.jpg", labels)
            indexed(folder / f"SegmentationClassContext/{name}.png", labels)


def camvid(root: Path) -> None:
    """Colours of 32 classes, split by the frames' names."""
    shades = np.array(
        [(128, 128, 128), (128, 0, 0), (128, 64, 128), (0, 0, 192), (128, 128, 0), (64, 0, 128),
         (192, 0, 192), (128, 0, 192), (0, 0, 0)]
    )  # fmt: skip
    for seed, frame in enumerate(["0006R0_f00930", "0016E5_08190", "0016E5_07959"]):
        labels = blocks(range(8), seed, void=[8])
        picture(root / f"701_StillsRaw_full/{frame}.png", labels)
        _save(root / f"LabeledApproved_full/{frame}_L.png", shades[labels])


def coco_stuff(root: Path) -> None:
    """164k: the id less one, 255 for what has no label."""
    names = {"train": ["000000000009", "000000000025"], "val": ["000000000139"]}
    for split, several in names.items():
        for seed, name in enumerate(several):
            labels = blocks([0, 2, 61, 91, 123, 156, 181], seed, void=[255])
            picture(root / f"images/{split}2017/{name}.jpg", labels)
            grey(root / f"annotations/{split}2017/{name}.png", labels)


def lip(root: Path) -> None:
    """One person an image; the background is a class, and nothing is void."""
    images, labels_of = root / "TrainVal_images", root / "TrainVal_parsing_annotations"
    names = {"train": ["77_471474", "100034_483681"], "val": ["36_454991"]}
    for split, several in names.items():
        for seed, name in enumerate(several):
            labels = blocks([0, 2, 5, 9, 13, 14, 15, 18, 19], seed, void=[0])
            picture(images / f"{split}_images/{name}.jpg", labels)
            grey(labels_of / f"{split}_segmentations/{name}.png", labels)
        (images / f"{split}_id.txt").write_text("".join(f"{name}\n" for name in several))


MINIATURES: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (cityscapes, ade20k, pascal_context, camvid, coco_stuff, lip)
}


def blocks(values: Sequence[int], seed: int, void: Sequence[int]) -> Array:
    """(H, W): blocks of the values, the first row of the others in turn."""
    chance = np.random.default_rng(seed)
    coarse = chance.choice(list(values), [side // _BLOCK for side in SIZE])
    labels = coarse.repeat(_BLOCK, 0).repeat(_BLOCK, 1).astype(np.int64)
    labels[0] = np.resize(list(void), SIZE[1])
    return labels


def picture(path: Path, labels: Array) -> None:
    """An image in which each label has a colour of its own, with noise."""
    shades = np.random.default_rng(0).integers(30, 225, (256, 3))
    noise = np.random.default_rng(1).integers(-8, 9, (*labels.shape, 3))
    _save(path, shades[labels] + noise)


def grey(path: Path, labels: Array) -> None:
    """One value of 8 bits per pixel."""
    _save(path, labels)


def coloured(path: Path, labels: Array) -> None:
    """Labels as colours, for people to look at."""
    _save(path, labels[..., None].repeat(3, -1))


def indexed(path: Path, labels: Array) -> None:
    """Labels as indices of a palette."""
    image = Image.fromarray(labels.astype(np.uint8)).convert("P")
    image.putdata(labels.ravel().tolist())
    image.putpalette([value % 256 for value in range(0, 3 * 256 * 7, 7)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _save(path: Path, pixels: NDArray[np.integer]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
