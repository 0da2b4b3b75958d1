import pytest
import torch

from context_modules.fcn_head import FCNHead


@pytest.mark.parametrize(("kernel_size", "reach"), [(1, 0), (3, 2), (5, 4)])
def test_a_position_sees_as_far_as_both_kernels(kernel_size, reach):
    head = FCNHead(2, channels=3, out_channels=4, kernel_size=kernel_size).eval()
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    x = torch.ones(1, 2, 15, 15, requires_grad=True)
    out = head(x)
    assert out.shape == (1, 4, 15, 15)
    (gradient,) = torch.autograd.grad(out[0, 0, 7, 7], x)
    rows, columns = torch.nonzero(gradient[0, 0], as_tuple=True)
    assert (int(rows.min()), int(columns.max())) == (7 - reach, 7 + reach)


def test_the_kernels_of_the_paper_are_the_default():
    assert [tuple(p.shape[-2:]) for p in FCNHead(2, channels=3).parameters() if p.dim() == 4] == [
        (3, 3),
        (3, 3),
    ]


@pytest.mark.parametrize("kernel_size", [0, 2])
def test_kernels_without_a_middle_are_refused(kernel_size):
    with pytest.raises(ValueError, match="odd number"):
        FCNHead(2, kernel_size=kernel_size)
