"""Effective receptive fields: which part of an image one output depends on (GGCF, Figure 6)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.graph_guided import GraphGuidedContextFusion
from context_modules.layers import ConvBNReLU
from harness.present.pictures import panels
from harness.present.pictures.shown import Shown, noted
from harness.present.plots.canvas import PRINTED, house, short

LEVEL = 0.01  # of the largest change: what counts as inside of the field in the captions
TICKS = (0.001, 0.01, 0.1, 1.0)  # of the drawing's scale, shares of the largest change
HEADS = {"FULL": ("FULL",), "{LOCAL, GRID} 2, 4, 6": ("{LOCAL,GRID}_{2,4,6}",)}


def receptive_field(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    position: tuple[int, int],
    *,
    window: int = 64,  # GGCF, Section 4.3
    stride: int | None = None,
    batch: int = 16,
) -> Tensor:
    """How much the response at one position changes when a part of the image is hidden.

    GGCF, Section 4.3, after Zhou et al. ("Object Detectors Emerge in Deep Scene CNNs", 2015): a
    window slides over the image, its pixels are replaced by the image's mean colour, and the
    change of the response is its Euclidean distance. Windows overlap: a pixel gets the mean change
    over the windows that hide it.

    Args:
        network: from images (B, C, H, W) to maps (B, K, h, w), in eval mode.
        image: (C, H, W).
        position: (y, x) of the response, in pixels of the image.
        window: side of the window, in pixels; at most the image's sides are used.
        stride: distance of neighbouring windows, in pixels; `None` means a quarter of the window.
            The last window of a row or column ends at the border.
        batch: hidden images per call of the network.

    Returns:
        (H, W), not negative, on the CPU in float32.

    Raises:
        ValueError: the position lies outside of the image, or a number is below 1.
    """
    height, width = image.shape[1:]
    step = max(1, window // 4) if stride is None else stride
    if not (0 <= position[0] < height and 0 <= position[1] < width):
        raise ValueError(f"position {position} lies outside of the image of {height, width} pixels")
    for name, value in (("window", window), ("stride", step), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    places = [
        (slice(y, y + window), slice(x, x + window))
        for y in _starts(height, window, step)
        for x in _starts(width, window, step)
    ]
    total, hidden = torch.zeros(height, width), torch.zeros(height, width)
    changes = _changes(network, image, position, places, batch)
    for (rows, columns), change in zip(places, changes, strict=True):
        total[rows, columns] += change
        hidden[rows, columns] += 1
    return total / hidden


def _changes(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    position: tuple[int, int],
    places: Sequence[tuple[slice, slice]],
    batch: int,
) -> Tensor:
    """How far the response moves when each of the places has the mean colour: (places,)."""
    height, width = image.shape[1:]
    mean = image.mean(dim=(1, 2))[:, None, None]
    found = []
    with torch.no_grad():
        response = _response(network(image[None]), position, (height, width))
        for first in range(0, len(places), batch):
            some = places[first : first + batch]
            images = image.repeat(len(some), 1, 1, 1)
            for each, (rows, columns) in zip(images, some, strict=True):
                each[:, rows, columns] = mean
            changed = _response(network(images), position, (height, width))
            found.append((changed - response).float().norm(dim=1).cpu())
    return torch.cat(found)


def draw_receptive_field(
    image: Tensor,
    fields: Mapping[str, Tensor],
    position: tuple[int, int],
    *,
    per_row: int | None = None,
    scale: str = "change, share of the largest",
) -> Figure:
    """Draw an image with the position and, beside it, the field of each network (GGCF, Figure 6).

    Each field is drawn as a share of its own largest change, since the responses of two networks
    have no common unit, on a logarithmic scale; deeper colours are higher. The caption says which
    share of the image lies above a hundredth of that.

    Args:
        image: (1 or 3, H, W); stretched to the full range of brightness.
        fields: (H, W) of `receptive_field`, by the network's name.
        position: (y, x) of the response, in pixels.
        per_row: fields beside one image; all if absent.
        scale: what the colours mean.

    Raises:
        ValueError: the shapes do not belong together, or there is no field.
    """
    _require_fields(image, fields)
    beside = per_row or len(fields)
    rows, columns = math.ceil(len(fields) / beside), 1 + beside
    height, width = image.shape[1:]
    with house():
        panel = 5.6 / columns * height / width + 0.45  # inches
        figure, axes = panels.panel_grid(0.25 + rows * panel, rows, columns)
        for each in axes[:, 0]:
            panels.draw_image(each, image)
        for each, (name, field) in zip(axes[:, 1:].flat, fields.items(), strict=False):
            drawn = _draw_field(each, field)
            each.set_title(short(name, 40), fontsize=panels.TITLE_SIZE)
        for each in axes.flat:
            panels.bare(each)
            # White below: the mark is seen on every colour.
            for colour, edge in (("white", 3.5), (PRINTED, 1.6)):
                look = {"marker": "x", "markersize": 7, "markeredgewidth": edge}
                each.plot(position[1], position[0], color=colour, **look)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.7, aspect=25, pad=0.02)
        bar.set_ticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
        bar.minorticks_off()
        bar.set_label(scale, fontsize=panels.CAPTION_SIZE)
    return figure


def of_trained(shown: Sequence[Shown]) -> Figure:
    """Draw what trained networks' answers at a position depend on, by gradients.

    Two fields each: over the map that enters the context module, which shows the relations of the
    module, and over the image, which has those of the backbone as well.
    """
    first = shown[0]
    image, (height, width) = first.sample.image, first.sample.labels.shape
    at = divmod(panels.queries_of(first.sample.labels, 2)[-1], width)
    fields: dict[str, Tensor] = {}
    for each in shown:
        on_map, on_image = gradient_fields(each, at)
        on_map = F.interpolate(on_map[None, None], (height, width), mode="nearest-exact")[0, 0]
        fields |= {f"{each.name}: over the map": on_map, f"{each.name}: over the image": on_image}
    scale = "gradient, share of the largest"
    return draw_receptive_field(image, fields, at, per_row=2, scale=scale)


def gradient_fields(shown: Shown, position: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How much the answer at one position changes with each position of the map, and each pixel.

    The answer are the logits of all classes before they are brought to the size of the image, at
    the position of the map in which a pixel lies. Norms of their derivatives over classes and
    channels: 0 exactly where the answer does not depend on a position at all.

    Args:
        position: (y, x) in pixels of the image.

    Returns:
        (h, w), the map that enters the context module, and (H, W).
    """
    network, image = shown.network, shown.input.requires_grad_()
    assert network.classifier is not None, "a trained network has one"
    with noted(network.context) as entered, noted(network.classifier) as classified:
        network(image)
    features, logits = entered[0][0], classified[0][1]
    response = _response(logits, position, (image.shape[-2], image.shape[-1]))[0]
    gradients = [
        torch.autograd.grad(answer, (features, image), retain_graph=True) for answer in response
    ]
    on_map, on_image = (
        torch.stack(of_one).square().sum(dim=(0, 1, 2)).sqrt()
        for of_one in zip(*gradients, strict=True)
    )
    return on_map, on_image


def demonstrate(seed: int = 0) -> Figure:
    """Fit two small networks on the made scene and draw their fields at one position.

    They differ in the heads of GGCF alone: FULL against LOCAL and GRID. All of the classifier's
    input is context, and the noise is strong enough that one position does not tell its class.
    Deterministic; a few seconds on a CPU.
    """
    scene = panels.Scene.made((40, 60), channels=3, noise=0.6, seed=seed)
    view, position = scene.view, (10, 15)  # inside of one of the two regions of class 1
    networks = {name: _fitted_network(heads, scene) for name, heads in HEADS.items()}
    with panels.one_thread():
        fields = {
            name: receptive_field(network, view[0], position, window=8, stride=2, batch=32)
            for name, network in networks.items()
        }
    return draw_receptive_field(view[0], fields, position)


def _fitted_network(heads: tuple[str, ...], scene: panels.Scene, channels: int = 16) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(scene.seed)
        context = GraphGuidedContextFusion(channels, heads=heads)
        network = nn.Sequential(
            ConvBNReLU(3, channels, 3, stride=2),
            ConvBNReLU(channels, channels, 3),
            context,
            nn.Conv2d(context.out_channels, scene.classes, 1),
        )

    def loss(x: Tensor) -> Tensor:
        size = scene.labels.shape
        logits = F.interpolate(network(x), size, mode="bilinear", align_corners=False)
        return F.cross_entropy(logits, scene.labels[None])

    scene.fit(loss, network.parameters(), steps=60)
    return network.eval()


def _starts(side: int, window: int, step: int) -> Iterator[int]:
    """First pixels of windows that cover a side, the last of which ends at the border."""
    last = max(0, side - window)
    yield from range(0, last, step)
    yield last


def _response(maps: Tensor, position: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(B, K, h, w) -> (B, K) at a position given in pixels of the image."""
    y, x = (at * out // side for at, out, side in zip(position, maps.shape[2:], size, strict=True))
    return maps[:, :, y, x]


def _require_fields(image: Tensor, fields: Mapping[str, Tensor]) -> None:
    if not fields:
        raise ValueError("fields is empty; give at least one receptive field to draw")
    if image.dim() != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image has shape {tuple(image.shape)}; give (1 or 3, H, W)")
    for name, field in fields.items():
        if field.shape != image.shape[1:]:
            raise ValueError(
                f"the field of {name} has shape {tuple(field.shape)}; "
                f"the image has {tuple(image.shape[1:])}"
            )


def _draw_field(axes: Axes, field: Tensor) -> AxesImage:
    share = field / field.amax().clamp(min=1e-12)
    inside = float((share > LEVEL).float().mean())
    axes.set_xlabel(f"{inside:.0%} of the image above {LEVEL:.0%}", fontsize=panels.CAPTION_SIZE)
    # Far changes are a hundredth of near ones: a linear scale would show the query's surroundings.
    scale = LogNorm(TICKS[0], TICKS[-1], clip=True)
    return axes.imshow(
        share.cpu().numpy(), cmap=panels.MAP_COLOURS, norm=scale, interpolation="nearest"
    )
