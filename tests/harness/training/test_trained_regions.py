"""RANet's regions while it is trained: neither one for each pixel nor one for all."""

import torch
from tiny_data import TinyData, tiny_recipe

from context_modules.region_construction import RegionConstruction
from harness.training.network import build_network, network_arguments
from harness.training.trainer import Trainer

SIZE = 32
PIXELS = (SIZE // 2) ** 2  # of the map


def test_a_training_keeps_regions_of_several_pixels():
    """Regions that were made of F^g were 256 of one pixel by then, since W^g shrinks at once."""
    backbone = {"width": 16, "output_stride": 2, "stem_convs": 1, "stem_width": 8}
    recipe = tiny_recipe(
        network={"backbone": "small", "backbone_arguments": backbone, "auxiliary": False},
        optimizer={"kind": "adamw", "learning_rate": 0.005, "weight_decay": 0.01},
        augmentation={"flip": True},
        loss={"boundary_radius": 1},
        mean=[0.5] * 3,
        std=[0.25] * 3,
        steps=100,
    )
    arguments = {"channels": 16, "out_channels": 16, "representatives": 2}
    given = network_arguments("region_attention", arguments, recipe, 3, (SIZE, SIZE))
    network = build_network(given, 0)
    data = TinyData(size=SIZE, length=40)
    Trainer(network, data, recipe, 0, torch.device("cpu")).run()
    (construction,) = (each for each in network.modules() if isinstance(each, RegionConstruction))
    counts = []
    construction.register_forward_hook(
        lambda _module, _inputs, regions: counts.extend(
            len(set(x.tolist())) for x in regions.labels
        )
    )
    with torch.no_grad():
        network.eval()(torch.stack([(data[index].image - 0.5) / 0.25 for index in range(12)]))
    assert float((construction.weight + construction.bias).detach()) < 0.9
    assert max(counts) > 1
    assert max(counts) < PIXELS / 2
