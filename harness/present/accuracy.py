"""Quantities of trainings: accuracies as papers print them, in per cent, and what they took."""

from harness.present.derived import as_json, stored
from harness.present.quantity import Quantity, Row

_MIOU = ("miou_low", "miou_high")


def _seeds(row: Row) -> int | None:
    """How many trainings the mean is of."""
    seeds = row.get("miou_seeds")
    return None if seeds is None else len(seeds)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        "miou",
        "mIoU",
        "ratio",
        stored("miou"),
        "%",
        2,
        interval=_MIOU,
        interval_note="mean over the seeds and the 95 % interval of that mean",
        # Papers print two decimals of it, and the interval of few seeds would leave none.
        rounded=False,
        note="mean over the classes, of all validation pixels together; over several seeds the "
        "mean of theirs",
    ),
    Quantity("miou_low", "mIoU, low", "ratio", stored(_MIOU[0]), "%", 2),
    Quantity("miou_high", "mIoU, high", "ratio", stored(_MIOU[1]), "%", 2),
    Quantity("pixel_acc", "Pixel accuracy", "ratio", stored("pixel_acc"), "%", 2),
    Quantity("class_iou", "IoU by class", "text", as_json("class_iou")),
    Quantity(
        "boundary_f",
        "Boundary F",
        "ratio",
        stored("boundary_f"),
        "%",
        2,
        note="mean over the classes at the first tolerance of the evaluation",
    ),
    Quantity(
        "miou_ceiling",
        "mIoU ceiling",
        "ratio",
        stored("miou_ceiling"),
        "%",
        2,
        note="the most, in expectation, that any network can reach that sees no farther than this "
        "one; computed from the data's structure",
    ),
    Quantity(
        "reach_pixels",
        "Reach",
        "pixels",
        stored("reach_pixels"),
        "px",
        0,
        note="farthest row or column that a prediction depends on",
    ),
    Quantity("context", "Context", "text", stored("context")),
    Quantity("recipe", "Recipe", "text", stored("recipe")),
    Quantity("data_version", "Data version", "text", stored("data_version")),
    Quantity("seeds", "Seeds", "count", _seeds, decimals=0),
    Quantity("train_steps", "Training steps", "count", stored("train_steps"), decimals=0),
    Quantity("train_loss", "Training loss", "ratio", stored("train_loss")),
    Quantity("train_seconds", "Training time", "seconds", stored("train_seconds"), "s", 0),
)
