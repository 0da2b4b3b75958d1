"""oneDNN's recurrent layers in training: what the forward keeps for the backward.

Its size is the library's own, so fake tensors say nothing of it; the layer run alone does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.measure.operators import stem

_LAYER, _BACKWARD = "mkldnn_rnn_layer", "mkldnn_rnn_layer_backward"


def keeps_reserve(func: Any, args: Sequence[Any]) -> bool:
    """Whether a call is such a layer in training, whose last output is its reserve."""
    return stem(func) == _LAYER and bool(args[-1])


def reserve_of(args: Sequence[Any]) -> Tensor:
    """The reserve of a layer with these arguments; runs it."""
    with torch.enable_grad():  # without gradients the library keeps nothing
        reserve: Tensor = torch.ops.aten.mkldnn_rnn_layer.default(*args)[3]
    return reserve


def with_reserve(func: Any, args: Sequence[Any]) -> Sequence[Any]:
    """Arguments of the backward with a reserve that a forward made; those of others as they are.

    Without one the library reads beyond the end of an empty tensor.
    """
    if stem(func) != _BACKWARD:
        return args
    given = args[:7]  # input, weights and biases, both states
    reverse, mode, hidden, layers, biases, train, both = args[13:20]
    sizes, batch_first = args[20:22]
    forward = (reverse, sizes, mode, hidden, layers, biases, both, batch_first, train)
    return (*args[:22], reserve_of((*given, *forward)))
