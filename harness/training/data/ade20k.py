"""ADE20K: 20,210 / 2,000 images of scenes, 150 classes.

Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017; the edition of the scene parsing
challenge, ADEChallengeData2016.zip.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.training.data.dataset import Layout, Lookup, PairedImages, Split, listed, options

# The first name of each class in the publishers' objectInfo150.txt. Labels count from 1; 0: others.
CLASSES = listed(
    """
    wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk,
    person, earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf,
    house, sea, mirror, rug, field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub,
    railing, cushion, base, box, column, signboard, chest of drawers, counter, sand, sink,
    skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
    screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill,
    bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar,
    arcade machine, hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth,
    television, airplane, dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle,
    buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything,
    swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food,
    step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket,
    sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate,
    monitor, bulletin board, shower, radiator, glass, clock, flag
    """
)

_FOLDERS: dict[Split, str] = {"train": "training", "val": "validation"}


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> PairedImages:
    """A split of ADE20K; see `harness.training.data.dataset.open_data`."""
    options("ade20k", parameters, {})
    layout = Layout(
        "ade20k",
        "expected images/{training,validation}/*.jpg and annotations/ of the same, *.png",
        root,
        inside=(".", "ADEChallengeData2016"),
        required=["annotations"],
    )
    folder = _FOLDERS[split]
    labels = layout.folder(f"annotations/{folder}")
    images = layout.files(layout.folder(f"images/{folder}"), "*.jpg")
    pairs = layout.complete((image, labels / f"{image.stem}.png") for image in images)
    table = {index + 1: index for index in range(len(CLASSES))}
    return PairedImages("ade20k", CLASSES, layout.root, pairs, decode=Lookup(table, [0]))
