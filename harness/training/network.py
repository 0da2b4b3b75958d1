"""The network of an accuracy: the recipe's, with the case's context module; how far it sees."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch

from context_modules.catalog import BY_NAME
from context_modules.segmentor import Segmentor
from harness.environment import used_files
from harness.instantiate import resolve
from harness.messages import HarnessError
from harness.suite.recipe import RecipeSpec

SEGMENTOR = "segmentor"
"""The catalog's name of a whole network: its arguments stand in place of the recipe's."""


class NetworkError(HarnessError):
    """A case and a recipe that make no network."""


def network_arguments(
    module: str,
    arguments: Mapping[str, Any],
    recipe: RecipeSpec,
    classes: int,
    size: tuple[int, int],
) -> dict[str, Any]:
    """Arguments of `Segmentor` for a case.

    Args:
        module: the case's module: a context module by any name that a suite knows, or `segmentor`,
            whose arguments then replace those of the recipe's network.
        arguments: its keyword arguments.
        recipe: backbone, frame and auxiliary head.
        classes: of the data; also given to a context module that takes `categories`.
        size: (H, W) of the images that the network is trained on.
    """
    network: dict[str, Any] = recipe.network.model_dump(mode="json")
    if module == SEGMENTOR:
        network |= arguments
        module = network.get("context") or ""
        arguments = network.get("context_arguments") or {}
    if module:
        kind = resolve(module)
        arguments = dict(arguments)
        if "categories" in inspect.signature(kind).parameters:
            arguments.setdefault("categories", classes)
        in_catalog = module in BY_NAME or ":" in module
        network["context"] = module if in_catalog else f"{kind.__module__}:{kind.__qualname__}"
        network["context_arguments"] = arguments
    network |= {"classes": classes, "input_size": list(size), "output": "logits"}
    return network


def trained_arguments(network: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what acts in evaluation alone, so that all share one training.

    A context module names such arguments in its class attribute `evaluation_arguments`.
    """
    context = network.get("context")
    if not context:
        return dict(network)
    left_out = getattr(resolve(context), "evaluation_arguments", ())
    given = network.get("context_arguments") or {}
    kept = {name: value for name, value in given.items() if name not in left_out}
    return {**network, "context_arguments": kept}


def bound_size(network: Mapping[str, Any]) -> tuple[int, int] | None:
    """(H, W) of the only images that a network takes; `None` where it takes any.

    A context module that asks for the size of its map is bound to it, unless its class says
    `any_size = True`.
    """
    context = network.get("context")
    if not context:
        return None
    kind = resolve(context)
    asks = "input_size" in inspect.signature(kind).parameters
    if not asks or getattr(kind, "any_size", False):
        return None
    height, width = network["input_size"]
    return height, width


def build_network(arguments: Mapping[str, Any], seed: int) -> Segmentor:
    """A network with parameters drawn from `seed`, in training mode, on the CPU.

    Raises:
        NetworkError: an argument does not fit.
    """
    given = {**arguments, "input_size": tuple(arguments["input_size"])}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            with used_files.building():
                network = Segmentor(3, **given)
        except (ValueError, TypeError) as error:
            raise NetworkError(f"the network: {' '.join(str(error).split())}") from error
    used_files.built(network.context, (given.get("context_arguments") or {}).values())
    used_files.built(network)
    return network


def map_size(network: Segmentor, size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of the context module's map for images of (H, W); every stride rounds up."""
    stride = network.backbone.output_stride
    return -(-size[0] // stride), -(-size[1] // stride)


_AT_ONCE = 4  # images in one pass; each holds one pixel that is no number


@torch.no_grad()
def network_reach(network: Segmentor, size: tuple[int, int]) -> int:
    """Farthest row or column, towards any side, that a prediction depends on; in pixels.

    A pixel that is no number (NaN) makes every output that is computed from it no number either,
    whatever the weights are, so that this is a fact of the structure. Products with a weight of 0,
    such as a masked pair of an attention, count as a dependence: a sparse attention may be said to
    see farther than it does, never less far. Beyond the border there is nothing to see.

    Returns:
        From 0 to the longest side of `size`, (H, W), less one, which is the whole image.
    """
    stride = network.backbone.output_stride
    top, left = ((side - stride) // 2 for side in size)
    # One period of the strides; and corners, the farthest from what they reach, where all is within
    # reach.
    pixels = [(top + y, left + x) for y in range(stride) for x in range(stride)]
    pixels += [(0, 0), (size[0] - 1, size[1] - 1)]
    device = next(network.parameters()).device
    trained, reach = network.training, 0
    network.eval()
    try:
        for first in range(0, len(pixels), _AT_ONCE):
            group = pixels[first : first + _AT_ONCE]
            images = torch.zeros(len(group), 3, *size, device=device)
            for image, (y, x) in zip(images, group, strict=True):
                image[:, y, x] = math.nan
            for reached, at in zip(network(images).isnan().any(1), group, strict=True):
                places = reached.nonzero()
                if len(places):
                    farthest = (places - places.new_tensor(at)).abs().max()
                    reach = max(reach, int(farthest))
    finally:
        network.train(trained)
    return reach
