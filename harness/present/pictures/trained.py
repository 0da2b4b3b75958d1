"""Pictures of trained networks, by their names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import nn

from harness.messages import suggest
from harness.present.pictures import (
    TRAINED,
    PictureError,
    context_prior,
    node_activations,
    panels,
    predictions,
    receptive_field,
    regions,
    relations,
)
from harness.present.pictures.shown import Shown
from harness.training.kept import KeptNetwork

USUAL_IMAGES = 4
"""So many images are predicted where none is named."""


@dataclass(frozen=True)
class _Inner:
    """A picture of one image."""

    draw: Callable[[Sequence[Shown]], Figure]
    part: Callable[[nn.Module], nn.Module | None]  # what it is of; `None`: a network has none


_INNER = {
    "prior": _Inner(context_prior.of_trained, context_prior.part_of),
    "regions": _Inner(regions.of_trained, regions.part_of),
    "nodes": _Inner(node_activations.of_trained, node_activations.part_of),
    "relations": _Inner(relations.of_trained, relations.part_of),
    "receptive-field": _Inner(receptive_field.of_trained, lambda network: network),
}


def require_picture(name: str) -> None:
    """Refuse a name that no picture has.

    Raises:
        PictureError: it is unknown; names the nearest, or all.
    """
    if name not in TRAINED:
        raise PictureError(f"{name}: no picture of a run; {suggest(name, TRAINED, 'pictures')}")


def available(network: nn.Module) -> list[str]:
    """The pictures that there are of a network."""
    inner = [name for name, each in _INNER.items() if each.part(network) is not None]
    return [name for name in TRAINED if name in inner or name == "predictions"]


def draw_trained(
    name: str, networks: Mapping[str, KeptNetwork], images: Sequence[int] = ()
) -> Figure:
    """Draw a picture of trained networks, side by side.

    Args:
        name: one of `TRAINED`.
        networks: by the names of their cases; all judged on the same data.
        images: numbers of images of the validation split; the first, of predictions the first
            four, if absent. Inner maps are of one image, of its middle where it is larger than
            the images of the training.

    Raises:
        PictureError: the picture is unknown, is not one of these networks, or not of several
            images; names those that there are.
        NotKeptError: there is no such image.
    """
    require_picture(name)
    data = {each.plan.val.version for each in networks.values()}
    if len(data) > 1:
        raise PictureError(f"{', '.join(networks)}: judged on different data; draw them one by one")
    first = next(iter(networks.values()))
    with panels.one_thread():
        if name == "predictions":
            chosen = list(dict.fromkeys(images)) or range(min(USUAL_IMAGES, first.images))
            return predictions.of_trained(networks, chosen)
        for case, kept in networks.items():
            known = available(kept.network)
            if name not in known:
                raise PictureError(
                    f"{name}: {case} has nothing of it; there are: {', '.join(known)}"
                )
        if len(images) > 1:
            raise PictureError(f"{name} is of one image; name one, or draw predictions")
        (index,) = images or (0,)
        return _INNER[name].draw([Shown(case, each, index) for case, each in networks.items()])
