"""What the tests of mechanisms share: modules away from their start, and maps in float64."""

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with every parameter and statistic away from its start, which may be 0."""
    generator = torch.Generator().manual_seed(seed)
    for x in module.state_dict().values():
        if x.is_floating_point():
            x.copy_(torch.rand(x.shape, generator=generator) - 0.3)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_var.abs_().add_(0.5)
    return module.double().eval()


def random_map(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def gradcheck(module: nn.Module, *shapes: tuple[int, ...]) -> bool:
    maps = [random_map(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]
    return torch.autograd.gradcheck(module, tuple(maps))


def costs(kind: type[nn.Module], *shapes: tuple[int, ...], **arguments: object) -> tuple[int, int]:
    """Parameters, and multiply-accumulates as PyTorch's own counter sees them."""
    with FakeTensorMode(), torch.no_grad():
        module = kind(shapes[0][1], **arguments).eval()
        with FlopCounterMode(display=False) as counter:
            module(*(torch.empty(shape) for shape in shapes))
        return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2
