"""COCO-Stuff: 171 classes of things and stuff.

Caesar et al., COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018. Two editions are read:

- 164k: images/{train,val}2017/*.jpg, labels in annotations/ (or stuffthingmaps/) of the same
  folders, *.png with the id less 1, and 255 for unlabelled pixels;
- 10k, with 9,000 / 1,000 images, as in OCNet: images/*.jpg, annotations/*.mat with a matrix S of
  ids, 0 for unlabelled pixels (needs SciPy, the extra `data`), and lists in imageLists/; its test
  list is the split `val`.
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
    listed,
    options,
    read_matlab,
)

# All 182 names by id from 1 (the publishers' labels.txt); 11 things have no segmentation in COCO.
NAMES = listed(
    """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
    fire hydrant, street sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow,
    elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses, handbag, tie,
    suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
    skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl,
    banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
    potted plant, bed, mirror, dining table, window, desk, toilet, door, tv, laptop, mouse, remote,
    keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, blender, book, clock, vase,
    scissors, teddy bear, hair drier, toothbrush, hair brush, banner, blanket, branch, bridge,
    building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth,
    clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble,
    floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit,
    furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal,
    mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic,
    platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea,
    shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
    tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel,
    wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood
    """
)
_UNSEGMENTED = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
IDS = {name: number for number, name in enumerate(NAMES, start=1) if number not in _UNSEGMENTED}


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> PairedImages:
    """A split of COCO-Stuff; see `harness.training.data.dataset.open_data`.

    One parameter: `edition`, `10k` or `164k`, for a folder that has both; without it the one that
    is there.
    """
    edition = options("coco_stuff", parameters, {"edition": None})["edition"]
    if edition not in (None, "10k", "164k"):
        raise DataError(f"edition of coco_stuff is {edition!r}; give 10k or 164k")
    layout = Layout(
        "coco_stuff",
        "expected images/train2017/*.jpg and annotations/train2017/*.png, likewise val2017 (164k), "
        "or images/*.jpg, annotations/*.mat and imageLists/{train,test}.txt (10k)",
        root,
        inside=(".", "dataset"),
        required=["images"],
    )
    small = (layout.root / "imageLists").is_dir() if edition is None else edition == "10k"
    if small:
        images, labels = layout.folder("images"), layout.folder("annotations")
        names = layout.root / "imageLists" / ("train.txt" if split == "train" else "test.txt")
        pairs = [(images / f"{name}.jpg", labels / f"{name}.mat") for name in layout.names(names)]
        table = {number: index for index, number in enumerate(IDS.values())}
        decode = Lookup(table, [0], partial(read_matlab, variable="S"))
    else:
        maps = "stuffthingmaps" if (layout.root / "stuffthingmaps").is_dir() else "annotations"
        labels = layout.folder(f"{maps}/{split}2017")
        found = layout.files(layout.folder(f"images/{split}2017"), "*.jpg")
        pairs = [(image, labels / f"{image.stem}.png") for image in found]
        decode = Lookup({number - 1: at for at, number in enumerate(IDS.values())}, [VOID])
    classes, complete = tuple(IDS), layout.complete(pairs)
    return PairedImages("coco_stuff", classes, layout.root, complete, decode=decode, mapping=small)
