"""The head around any block: its frames, and that they cost what their layers do."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.context_head import ContextHead
from context_modules.dual_attention import PositionAttention
from context_modules.em_attention import EMAU
from context_modules.fcn_head import FCNHead


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        ({"convolutions": 1}, 8),
        ({}, 8),
        ({"out_channels": 3}, 3),
        ({"concatenated": True, "out_channels": 3}, 3),
    ],
)
@torch.no_grad()
def test_frames_are_their_layers_in_order(arguments, out):
    head = randomised(ContextHead(5, context="position_attention", channels=8, **arguments))
    assert isinstance(head.context, PositionAttention)
    x = random_map(2, 5, 4, 3)
    y = head.context(head.before(x))
    if arguments.get("convolutions") != 1:
        y = head.after(y)
    if arguments.get("concatenated"):
        y = head.fuse(torch.cat([x, y], dim=1))
    assert y.shape == (2, out, 4, 3)
    assert head.out_channels == out
    torch.testing.assert_close(head(x), y)


def test_without_a_block_it_is_the_plain_head():
    plain = costs(FCNHead, (1, 64, 8, 8), channels=16, out_channels=16)
    assert costs(ContextHead, (1, 64, 8, 8), channels=16) == plain


@torch.no_grad()
def test_a_block_of_another_width_and_one_that_needs_the_size():
    head = ContextHead(4, context="psa", channels=4, convolutions=1, input_size=(6, 5)).eval()
    assert head.out_channels == 8
    assert head(random_map(1, 4, 6, 5).float()).shape == (1, 8, 6, 5)


def test_costs_of_emanets_head():
    """EMANet's published table: 43.1 G and 10.0 M over the backbone at 513x513, 65x65 behind it."""
    parameters, macs = costs(
        ContextHead, (1, 2048, 65, 65), context="emau", convolutions=1, channels=512
    )
    assert macs / 1e9 == pytest.approx(43.1, abs=0.05)
    assert parameters / 1e6 == pytest.approx(10.0, abs=0.05)
    block = costs(EMAU, (1, 512, 65, 65))
    assert macs - block[1] == 9 * 2048 * 512 * 65**2


def test_gradient():
    head = ContextHead(2, context="gc", context_arguments={"reduction": 2}, channels=4)
    assert gradcheck(randomised(head), (2, 2, 3, 2))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"convolutions": 3}, "convolutions"),
        ({"convolutions": 1, "concatenated": True}, "concatenated"),
        ({"convolutions": 1, "out_channels": 4}, "out_channels"),
        ({"out_channels": -1}, "out_channels"),
        ({"context_arguments": {"heads": 2}}, "context_arguments"),
        ({"context": "nothing"}, "nothing"),
        ({"context": "gc", "context_arguments": {"ratio": 4}}, "ratio"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        ContextHead(8, channels=8, **arguments)
