"""How strongly pixels relate to all others in a self-attention (OCNet, Figures 1, 6 and 7)."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn

from context_modules.interlaced import InterlacedSelfAttention, SparseRelation
from context_modules.relation_matrices import Pixel, Relations, relation_matrices
from context_modules.self_attention import SelfAttention
from harness.present.pictures import PictureError, panels
from harness.present.pictures.shown import Shown
from harness.present.plots.canvas import house, short

Attention = SelfAttention | InterlacedSelfAttention
STAGES = {"global_relation": "global", "local_relation": "local", "dense": "all stages"}


def draw_relations(
    found: Mapping[str, Relations],
    pixels: Sequence[Pixel],
    labels: Tensor,
    *,
    image: Tensor,
    classes: Sequence[str] = (),
) -> Figure:
    """Draw rows of the relation matrices of one image over it (OCNet, Algorithm 2).

    A row for each pixel of each attention: the image with the pixel, its relations in the global
    and in the local stage, where there are such, and in both together. Each map is a share of its
    own largest weight; below it stands which share of the weights falls on the pixel's own class,
    and which share of the map that class has.

    Args:
        found: relations of `pixels`, batch 1, by what the attention is called.
        pixels: (row, column) of each.
        labels: (H, W) integers, at the size of the attention's map.
        image: what the labels are of, (1 or 3, H', W').
        classes: names of the classes.
    """
    stages = [name for name in STAGES if any(getattr(r, name) is not None for r in found.values())]
    known = panels.Classes.of(labels, names=classes)
    (height, width), columns = labels.shape, 2 + len(stages)
    with house():
        rows = len(found) * len(pixels)
        panel = 5.5 / columns * height / width + 0.5  # inches
        figure, axes = panels.panel_grid(rows * panel + 0.9, rows, columns, "Relation matrices")
        drawn = iter(axes)
        for name, relations in found.items():
            for number, (mark, pixel) in enumerate(zip(panels.QUERIES, pixels, strict=False)):
                scene, annotated, *others = next(drawn)
                scene.set_ylabel(short(name, 24), fontsize=panels.TITLE_SIZE)
                panels.draw_image(scene, image, (height, width))
                panels.draw_labels(annotated, labels, known)
                for each, stage in zip(others, stages, strict=True):
                    rows_of_w = getattr(relations, stage)
                    if rows_of_w is not None:
                        title = f"{mark}: {STAGES[stage]}" if len(stages) > 1 else mark
                        weights = rows_of_w[0, number].cpu()
                        bar = _draw_weights(each, title, weights, pixel, labels)
                query = pixel[0] * width + pixel[1]
                for each in filter(Axes.has_data, (scene, annotated, *others)):
                    panels.mark_query(each, query, width, mark)
        panels.hide_empty(axes.flat)
        figure.colorbar(bar, ax=axes, label="weight, share of the largest", **panels.BAR)
        known.foot(figure, labels)
    return figure


def _draw_weights(
    axes: Axes, title: str, weights: Tensor, pixel: Pixel, labels: Tensor
) -> AxesImage:
    share = weights / weights.amax().clamp(min=1e-12)
    same = labels == labels[pixel]
    own = float(weights[same].sum() / weights.sum().clamp(min=1e-12))
    axes.set_xlabel(
        f"{own:.0%} on its class,\nwhich has {float(same.float().mean()):.0%}",
        fontsize=panels.CAPTION_SIZE,
    )
    return panels.draw_map(axes, title, share)


def part_of(network: nn.Module) -> Attention | None:
    """The first attention whose relation matrix is one of the whole map."""
    for each in network.modules():
        if not isinstance(each, Attention) or isinstance(each, SparseRelation):
            continue
        stages = each.stages if isinstance(each, InterlacedSelfAttention) else [each]
        if all(stage.regions == 1 and stage.key_stride == 1 for stage in stages):
            return each
    return None


def of_trained(shown: Sequence[Shown]) -> Figure:
    """Draw the relations of trained networks, of a pixel of each of some classes of an image."""
    first = shown[0]
    entered = {each.name: _entering(each) for each in shown}
    sizes = {x.shape[-2:] for _, x in entered.values()}
    if len(sizes) > 1:
        raise PictureError("their maps have several sizes; draw them one by one")
    ((height, width),) = sizes
    labels = first.labels((height, width))
    pixels = [divmod(query, width) for query in panels.queries_of(labels)]
    found = {name: relation_matrices(part, x, pixels) for name, (part, x) in entered.items()}
    image, classes = first.sample.image, first.classes
    return draw_relations(found, pixels, labels, image=image, classes=classes)


def _entering(shown: Shown) -> tuple[Attention, Tensor]:
    attention = part_of(shown.network)
    assert attention is not None, "the caller has looked"
    return attention, shown.entering(attention)
