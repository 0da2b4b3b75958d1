"""How far networks see, against what their layers say."""

import pytest

from harness.training.network import build_network, network_reach

SIZE = (48, 64)
FAR = 63  # the whole of the longer side

# The backbone sees 6 pixels to each side of a position; a step of bilinear upsampling by 4 adds 5,
# a 3x3 convolution at stride 4 adds 4, and so does each position of a wider one.
CASES = {
    "backbone": (None, {}, 11),
    "two 3x3": ("fcn", {"channels": 8, "out_channels": 8}, 11 + 8),
    "3x3 and k = 5": ("aggregation_module", {"out_channels": 8, "kernel_size": 5}, 11 + 4 + 8),
    "LOCAL_1": ("graph_guided", {"heads": ["LOCAL_1"], "kernel": "explicit"}, None),
    "attention": ("self_attention", {}, FAR),
    "pooling": ("ppm", {"out_channels": 8}, FAR),
    "squeezing": ("squeeze_reasoning", {"nodes": 2}, FAR),
}


def network(context, arguments):
    return build_network(
        {
            "backbone": "small", "backbone_arguments": {"width": 8}, "auxiliary": False,
            "context": context, "context_arguments": arguments, "classes": 3,
            "input_size": list(SIZE),
        },
        seed=0,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_reach_is_that_of_the_layers(name):
    context, arguments, expected = CASES[name]
    made = network(context, arguments).train()
    found = network_reach(made, SIZE)
    if expected is None:  # masked pairs count, so that tiles may look larger than they are
        assert 11 + 4 <= found < FAR
    else:
        assert found == expected
    assert made.training


def test_it_does_not_hang_on_the_parameters():
    made = network("fcn", {"channels": 8, "out_channels": 8})
    for parameter in made.parameters():
        parameter.data.zero_()
    assert network_reach(made, SIZE) == 19
