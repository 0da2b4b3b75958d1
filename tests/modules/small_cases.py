"""One small case per module of the catalog: arguments as a suite would write them, and sizes."""

from dataclasses import dataclass, field
from typing import Any

from context_modules.catalog import CATALOG, Entry
from harness.case import Case

BATCH, CHANNELS = 2, 16
MAPS = ((9, 13), (12, 7))  # neither square nor a multiple of the group sizes below
IMAGE = (33, 65)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Small:
    """Arguments that keep a module small, and what it gives.

    Attributes:
        arguments: as YAML gives them: lists, no tuples.
        out_channels: of its output.
        stride: of its output against its last input, or the first if `finest`, rounded up.
        further: channels of inputs after the first, each of half the side of the one before.
        finest: whether its output has the size of the first input.
        image: whether it takes images instead of maps.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    out_channels: int = CHANNELS
    stride: int = 1
    further: tuple[int, ...] = ()
    finest: bool = False
    image: bool = False


_PYRAMID = {"pool_sizes": [1, 3]}
_LEVELS: dict[str, Any] = {"level_channels": [24, 12]}
SMALL = {
    "ppm": Small({"out_channels": 8, "bins": [1, 2, 3]}, 8),
    "aspp": Small({"out_channels": 8, "branch_channels": 8, "rates": [2, 4]}, 8),
    "interlaced": Small({"groups": [4, 4]}),
    "base_oc": Small({"out_channels": 8, "context_channels": 16, "groups": [4, 4]}, 8),
    "pyramid_oc": Small(
        {"out_channels": 8, "context_channels": 16, "scales": [1, 2], "groups": [2, 2]}, 8
    ),
    "asp_oc": Small(
        {
            "out_channels": 8,
            "branch_channels": 8,
            "rates": [2, 4],
            "downsample": 2,
            "groups": [2, 2],
        },
        8,
    ),
    "danet": Small({"out_channels": 8}, 8),
    "rcca": Small({"out_channels": 8}, 8),
    "cgnl": Small({"out_channels": 8}, 8),
    "efficient_attention": Small({"out_channels": 8}, 8),
    "apnb": Small(_PYRAMID),
    "apnb_head": Small({"channels": 8, **_PYRAMID}, 8),
    "fcn": Small({"channels": 4, "out_channels": 8}, 8),
    "afnb": Small(
        {"high_channels": 24, "key_channels": 8, "value_channels": 8, **_PYRAMID}, 24, further=(24,)
    ),
    "asymmetric_non_local": Small(
        {"high_channels": 24, "channels": 8, "key_channels": 8, **_PYRAMID}, 8, further=(24,)
    ),
    "se": Small({"reduction": 4}),
    "emau": Small({"num_bases": 4}),
    "psanet": Small({"channels": 8, "out_channels": 4}, 4),
    "psa": Small({"channels": 8}, 2 * CHANNELS),
    "context_prior": Small({"out_channels": 8, "context_channels": 4, "kernel_size": 3}, 8),
    "aggregation_module": Small({"out_channels": 8, "kernel_size": 3}, 8),
    "squeeze_reasoning": Small({"nodes": 4}),
    "region_attention": Small(
        {
            "channels": 8,
            "out_channels": 4,
            "categories": 3,
            "representatives": 2,
            "max_regions": 3,
        },
        4,
    ),
    "graph_guided": Small({"heads": ["FULL", "{LOCAL,GRID}_3"], "key_channels": 4}),
    "context_head": Small(
        {
            "context": "axial_attention",
            "context_arguments": {"heads": 2},
            "channels": 8,
            "out_channels": 4,
            "concatenated": True,
        },
        4,
    ),
    "ocr": Small({"channels": 8, "key_channels": 4, "categories": 3, "scores": "3x3"}, 8),
    "gc": Small({"reduction": 4, "fusion": ["multiply", "add"]}),
    "hamburger": Small({"bases": 4}),
    "light_ham": Small(
        {"channels": 8, "out_channels": 4, "bases": 4, **_LEVELS}, 4, further=(24, 12), finest=True
    ),
    "external_attention": Small({"slots": 4}),
    "window_attention": Small({"window": 4, "shift": 2, "heads": 2}),
    "swin_blocks": Small({"window": 4, "heads": 2, "mlp_ratio": 2}),
    "neighborhood_attention": Small({"window": 3, "dilation": 2, "heads": 2}),
    "axial_attention": Small({"heads": 2}),
    "deeplabv3_plus": Small(
        {"high_channels": 24, "out_channels": 8, "low_channels": 4, "rates": [2, 4]},
        8,
        further=(24,),
        finest=True,
    ),
    "upernet": Small({"channels": 8, "bins": [1, 2], **_LEVELS}, 8, further=(24, 12), finest=True),
    "semantic_fpn": Small({"width": 8, "channels": 4, **_LEVELS}, 4, further=(24, 12), finest=True),
    "segformer_head": Small({"channels": 8, **_LEVELS}, 8, further=(24, 12), finest=True),
    "resnet": Small({"depth": 18, "output_stride": 8}, 512, stride=8, image=True),
    "hrnet": Small({"width": 2}, 30, stride=4, image=True),
    "segmentor": Small(
        {
            "backbone": "resnet18",
            "context": "context_prior",
            "context_arguments": {"out_channels": 8, "context_channels": 8, "kernel_size": 3},
            "classes": 5,
        },
        5,
        image=True,
    ),
    "mask_rcnn": Small({"depth": 18, "classes": 3, "proposals": 4, "mask_regions": 4}, image=True),
}


def small(entry: Entry) -> Small:
    """The small form of an entry; its defaults where none is named above."""
    return SMALL.get(entry.name, Small())


def inputs(entry: Entry, size: tuple[int, int]) -> tuple[Shape, ...]:
    """Input shapes of a module on a map of a size; images have one size."""
    form = small(entry)
    if form.image:
        return ((BATCH, 3, *IMAGE),)
    shapes = [(BATCH, CHANNELS, *size)]
    for channels in form.further:
        height, width = (-(-side // 2) for side in shapes[-1][2:])
        shapes.append((BATCH, channels, height, width))
    return tuple(shapes)


def case(entry: Entry, size: tuple[int, int] = MAPS[0], **more: Any) -> Case:
    """The small case of an entry."""
    return Case(entry.name, small(entry).arguments, inputs(entry, size), **more)


def sizes() -> list[tuple[Entry, tuple[int, int]]]:
    """Every entry with every size; images have one."""
    return [
        (entry, size) for entry in CATALOG for size in (MAPS[:1] if small(entry).image else MAPS)
    ]
