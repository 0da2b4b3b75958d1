"""CamVid: 367 / 101 (and 233 for testing) frames of driving videos, 11 classes.

Brostow et al., Semantic Object Classes in Video, Pattern Recognition Letters 2009. Two layouts:

- as published: 701_StillsRaw_full/*.png and LabeledApproved_full/*_L.png, 32 classes as colours,
  grouped into 11 and split by frames as Sturgess et al. (BMVC 2009) and SegNet (Badrinarayanan et
  al., 2015) do;
- SegNet's: train/, trainannot/, val/, valannot/ with *.png, 0 to 10 for the classes, 11 for void.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.training.data.dataset import (
    VOID,
    DataError,
    Decode,
    Layout,
    Lookup,
    PairedImages,
    Split,
    options,
    read_rgb,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Colour = tuple[int, int, int]

# The publishers' 32 classes and colours (label_colors.txt) by the 11 classes that are evaluated.
GROUPS: dict[str, dict[str, Colour]] = {
    "sky": {"Sky": (128, 128, 128)},
    "building": {
        "Archway": (192, 0, 128), "Bridge": (0, 128, 64), "Building": (128, 0, 0),
        "Tunnel": (64, 0, 64), "Wall": (64, 192, 0),
    },
    "pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "road": {
        "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64), "Road": (128, 64, 128),
    },
    "pavement": {
        "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192), "Sidewalk": (0, 0, 192),
    },
    "tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "sign": {
        "Misc_Text": (128, 128, 64), "SignSymbol": (192, 128, 128), "TrafficLight": (0, 64, 64),
    },
    "fence": {"Fence": (64, 64, 128)},
    "car": {
        "Car": (64, 0, 128), "OtherMoving": (128, 64, 64), "SUVPickupTruck": (64, 128, 192),
        "Train": (192, 64, 128), "Truck_Bus": (192, 128, 192),
    },
    "pedestrian": {
        "Animal": (64, 128, 64), "CartLuggagePram": (64, 0, 192), "Child": (192, 128, 64),
        "Pedestrian": (64, 64, 0),
    },
    "bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
}  # fmt: skip

# Frames by sequence: the frames of 0016E5 taken 15 times a second are for validation, the second
# half of 0001TP and all of Seq05VD for testing, everything else for training.
_VALIDATION = range(7959, 8160)
_LAST_OF_0001TP = 8520

# Painted by hand: a share of stray colours, below this, is void; above it the file is another.
_STRAY = 0.01


def open_split(split: Split, root: Path | None, parameters: Mapping[str, Any]) -> PairedImages:
    """A split of CamVid; see `harness.training.data.dataset.open_data`."""
    options("camvid", parameters, {})
    layout = Layout(
        "camvid",
        "expected 701_StillsRaw_full/*.png with LabeledApproved_full/*_L.png, or train/*.png with "
        "trainannot/*.png and val/*.png with valannot/*.png",
        root,
        inside=(".", "CamVid"),
        required=["701_StillsRaw_full", "trainannot"],
    )
    published = (layout.root / "701_StillsRaw_full").is_dir()
    decode: Decode = decode_colours
    if published:
        labels = layout.folder("LabeledApproved_full")
        images = layout.files(layout.folder("701_StillsRaw_full"), "*.png")
        pairs = [(i, labels / f"{i.stem}_L.png") for i in images if split_of(i.stem) == split]
        if not pairs:
            raise layout.wrong(f"no frame of the split {split} is in {layout.root}")
    else:
        labels = layout.folder(f"{split}annot")
        pairs = [(i, labels / i.name) for i in layout.files(layout.folder(split), "*.png")]
        decode = Lookup({number: number for number in range(len(GROUPS))}, [len(GROUPS), VOID])
    classes, complete = tuple(GROUPS), layout.complete(pairs)
    return PairedImages("camvid", classes, layout.root, complete, decode=decode, mapping=published)


def split_of(frame: str) -> str:
    """The split (`train`, `val` or `test`) of a frame by its name, such as 0016E5_07959."""
    sequence, _, number = frame.partition("_")
    digits = number.lstrip("f")
    if not digits.isdecimal():
        raise DataError(f"camvid: {frame} is no name of a frame, such as 0016E5_07959")
    if sequence == "Seq05VD" or (sequence == "0001TP" and int(digits) > _LAST_OF_0001TP):
        return "test"
    return "val" if sequence == "0016E5" and int(digits) in _VALIDATION else "train"


def decode_colours(path: Path) -> "NDArray[np.uint8]":
    """(H, W): the classes of a label image of the publishers.

    Raises:
        DataError: the file cannot be read, or more than a few pixels have colours of no class.
    """
    import numpy as np

    colours = read_rgb(path).astype(np.int32)
    packed = (colours[..., 0] << 16) | (colours[..., 1] << 8) | colours[..., 2]
    labels = np.full(packed.shape, VOID, dtype=np.uint8)
    known = packed == 0  # Void is black
    for index, members in enumerate(GROUPS.values()):
        of_class = np.isin(packed, [r << 16 | g << 8 | b for r, g, b in members.values()])
        labels[of_class] = index
        known |= of_class
    if (~known).mean() > _STRAY:
        share = 100 * (~known).mean()
        raise DataError(f"{path}: {share:.0f} % of the pixels have colours of no class of CamVid")
    return labels
