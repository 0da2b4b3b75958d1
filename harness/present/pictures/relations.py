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


def draw_relations(
    found: Mapping[str, Relations],
    pixels: Sequence[Pixel],
    labels: Tensor,
    *,
    image: Tensor,
    classes: Sequence[str] = (),
) -> Figure:
    """Draw rows of the relation matrices of one image over it (OCNet, Algorithm 2).

    A row for each stage of each attention: the image with the pixels, and of each pixel its
    relations in the global stage, in the local one, and in both together. Each map is a share of
    its own largest weight; below it stands which share of the weights falls on the pixel's own
    class, and which share of the map that class has.

    Args:
        found: relations of `pixels`, batch 1, by what the attention is called.
        pixels: (row, column) of each, at most as many as there are names of queries.
        labels: (H, W) integers, at the size of the attention's map.
        image: what the labels are of, (1 or 3, H', W').
        classes: names of the classes.
    """
    rows = [
        (name, stage, weights[0].cpu())
        for name, relations in found.items()
        for stage, weights in _stages_of(relations).items()
    ]
    known = panels.Classes.of(labels, names=classes)
    (height, width), columns = labels.shape, 2 + len(pixels)
    queries = [row * width + column for row, column in pixels]
    with house():
        panel = 5.5 / columns * height / width + 0.55  # inches
        heading = "Relation matrices: how strongly a pixel relates to all others"
        figure, axes = panels.panel_grid(len(rows) * panel + 0.9, len(rows), columns, heading)
        for (scene, annotated, *others), (name, stage, maps) in zip(axes, rows, strict=True):
            panels.draw_image(scene, image, (height, width))
            scene.set_ylabel(f"{short(name, 24)}\n{stage}".strip(), fontsize=panels.TITLE_SIZE)
            panels.draw_labels(annotated, labels, known)
            marks = zip(panels.QUERIES, pixels, queries, others, maps, strict=False)
            for mark, pixel, query, each, weights in marks:
                title = f"{mark}: {stage}" if stage else mark
                drawn = _draw_weights(each, title, weights, pixel, labels)
                for marked in (scene, annotated, each):
                    panels.mark_query(marked, query, width, mark)
        figure.colorbar(drawn, ax=axes, label="weight, share of the largest", **panels.BAR)
        known.foot(figure, labels)
    return figure


def _stages_of(relations: Relations) -> dict[str, Tensor]:
    """Relations by the name of their stage, which an attention with only one does not need."""
    found = {
        "global": relations.global_relation,
        "local": relations.local_relation,
        "all stages": relations.dense,
    }
    known = {name: weights for name, weights in found.items() if weights is not None}
    return known if len(known) > 2 else {"": relations.dense}


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
