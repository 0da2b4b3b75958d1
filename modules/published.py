"""Published weights, by whatever names their publishers gave them, into a backbone.

How a file is read decides no training that reads none: the key of a training counts this file with
its weights (`harness/training/accuracy.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from context_modules import weights
from context_modules.weights import WeightsError, read_state


@dataclass(frozen=True)
class Layout:
    """How a publisher names what a residual network of this project names otherwise."""

    publishers: str  # for messages
    renamed: Mapping[str, str]  # beginnings of names: in the network, in the file


# HRNet's official names, and those that mmsegmentation and timm keep, are the network's own.
LAYOUTS = (
    Layout("torchvision, timm, PyTorch-Encoding, HRNet", {}),
    Layout(
        "semseg, OCNet, CCNet",
        {
            "conv1.0.": "conv1.", "conv1.1.": "bn1.", "conv1.3.": "conv2.", "conv1.4.": "bn2.",
            "conv1.6.": "conv3.", "bn1.": "bn3.",
        },
    ),
    Layout("mmsegmentation", {"conv1.": "stem.", "bn1.": "stem.7."}),
)  # fmt: skip

# Whole networks are kept with their backbone under this name, and heads beside it.
_BACKBONE = "backbone."

_STEMS = {
    "7x7": "backbone_arguments: {stem: 7x7}",
    "64": "backbone_arguments: {stem: 3x3}, the default of resnet18 to resnet152",
    "32": "a backbone from resnet18_v1c to resnet152_v1c",
}


def load_weights(
    module: nn.Module, path: str | Path, *, ignore: Sequence[str] | None = None
) -> None:
    """Fill a backbone from a file in any of `LAYOUTS`, or leave it as it is.

    Wrappers and shared prefixes are taken off (`context_modules.weights.load_weights`, which also
    says what `ignore` is); of a whole network that has names below `backbone.` only those are read.

    Raises:
        WeightsError: there is no such file, it holds code, or names or shapes differ; one line,
            which says where the file's stem would fit and what layouts are known.
    """
    state = read_state(path)
    own = module.state_dict()
    whole = any(n.startswith(_BACKBONE) for n in state) and not any(
        n.startswith(_BACKBONE) for n in own
    )
    front = _BACKBONE if whole else ""
    layout = max(LAYOUTS, key=lambda each: _found(own, each, front, state))
    skipped = getattr(module, "classifier_names", ()) if ignore is None else ignore
    left = [*(front + name for name in skipped), *(n for n in state if not n.startswith(front))]
    view = cast(nn.Module, _Renamed(module, layout, front))
    try:
        weights.load_weights(view, path, ignore=left)
    except WeightsError as error:
        head, *said = (line.strip() for line in str(error).splitlines())
        if not said:
            raise
        known = f"known names: {', '.join(each.publishers for each in LAYOUTS)}"
        line = "; ".join([head, *_advice(own, state, front), *said, known])
        raise WeightsError(line) from error


def _published(name: str, layout: Layout, front: str) -> str:
    """What a file calls an own name."""
    for own, theirs in layout.renamed.items():
        if name.startswith(own):
            return front + theirs + name.removeprefix(own)
    return front + name


def _found(own: Collection[str], layout: Layout, front: str, state: Collection[str]) -> int:
    return sum(_published(name, layout, front) in state for name in own)


class _Renamed:
    """A module as `context_modules.weights.load_weights` sees it, under published names."""

    def __init__(self, module: nn.Module, layout: Layout, front: str) -> None:
        self._module = module
        self._names = {_published(n, layout, front): n for n in module.state_dict()}

    def state_dict(self) -> dict[str, Tensor]:
        own = self._module.state_dict()
        return {theirs: own[name] for theirs, name in self._names.items()}

    def load_state_dict(self, state: Mapping[str, Tensor], strict: bool) -> Any:
        own = {self._names[n]: x for n, x in state.items() if n in self._names}
        return self._module.load_state_dict(own, strict=strict)


def _advice(own: Mapping[str, Tensor], state: Mapping[str, Tensor], front: str) -> list[str]:
    """What would take the stem of the file, where it is another one than the network's."""
    file = {name.removeprefix(front): x for name, x in state.items()}
    theirs, ours = _stem(file), _stem(own)
    if ours is None or theirs is None or theirs == ours:
        return []
    return [f"the stem of the file fits {_STEMS[theirs]}"]


def _stem(state: Mapping[str, Tensor]) -> str | None:
    """The kind of a residual network's stem: 7x7, or the width of a deep one; `None` of others."""
    names = ("stem.0.weight", "conv1.0.weight", "conv1.weight")
    first = next((state[name] for name in names if name in state), None)
    if first is None or first.dim() != 4 or "layer4.0.conv1.weight" not in state:
        return None
    kind = "7x7" if first.shape[-1] == 7 else str(first.shape[0])
    return kind if kind in _STEMS else None
