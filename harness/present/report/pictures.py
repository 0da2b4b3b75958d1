"""Pictures of trained networks as parts of a page: few, small, drawn in seconds."""

import base64
import io
from collections.abc import Mapping
from contextlib import suppress

from matplotlib.figure import Figure

from harness.present.pictures import TRAINED
from harness.present.pictures.trained import available, draw_trained
from harness.present.report.tables import TrainedPicture
from harness.training.kept import KeptNetwork

MOST_LOADED = 24
"""Networks of one suite."""

MOST_PICTURES = 12
"""Of one report, since each takes about a second."""

MOST_PIXELS = 160 * 160
"""Of an image; larger networks take seconds to say something of one."""

_MOST_BESIDE = 6  # networks whose predictions stand beside one another
_IMAGES = (0, 1)
_DPI = 150  # twice the width at which a page shows a picture


def is_small(kept: KeptNetwork) -> bool:
    """Whether a network says something of an image at once."""
    height, width = map(int, kept.plan.network["input_size"])
    return max(height * width, kept.sample(0).labels.numel()) <= MOST_PIXELS


def pictures_of(networks: Mapping[str, KeptNetwork], most: int) -> tuple[TrainedPicture, ...]:
    """What networks of one suite predict, and one picture of each kind of inner map.

    An inner map is drawn of the first and the last network that has it.

    Args:
        networks: by the labels of their cases.
        most: pictures.
    """
    images = [index for index in _IMAGES if all(index < each.images for each in networks.values())]
    asked = [("predictions", _evenly(list(networks), _MOST_BESIDE), images)] if networks else []
    for name in TRAINED:
        having = [label for label, each in networks.items() if name in available(each.network)]
        if having and name not in ("predictions", "receptive-field"):
            asked.append((name, list(dict.fromkeys((having[0], having[-1]))), images[:1]))
    found = []
    for name, labels, numbers in asked[:most]:
        with suppress(Exception):  # of code of any age: no report is lost for a picture
            figure = draw_trained(name, {each: networks[each] for each in labels}, numbers)
            found.append(_picture(name, labels, figure))
    return tuple(found)


def _evenly(labels: list[str], most: int) -> list[str]:
    """All, or so many that are evenly apart, the first and the last among them."""
    last = len(labels) - 1
    return labels if last < most else [labels[round(n * last / (most - 1))] for n in range(most)]


def _picture(name: str, labels: list[str], figure: Figure) -> TrainedPicture:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    title = TRAINED[name].partition(" (")[0]
    return TrainedPicture(
        title[:1].upper() + title[1:],
        base64.b64encode(out.getvalue()).decode(),
        f"Of the trained networks {', '.join(labels)}, on images of the validation split.",
        f"harness show RUN --picture {name} --case LABEL --image N",
    )
