"""Where kernels written in Triton run, and how they are launched; nothing here imports Triton."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

_TYPES = (torch.float32, torch.float16, torch.bfloat16)
# Offsets within a map are 32 bits wide, so that a tile of them takes half the registers.
_LARGEST_MAP = 2**31


def interpreted() -> bool:
    """Whether Triton's interpreter stands for a GPU, as `TRITON_INTERPRET=1` asks it to."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def reaches(device: torch.device) -> bool:
    """Whether a kernel runs on tensors of a device."""
    return device.type == "cuda" or interpreted()


def _elsewhere(form: str) -> str:
    return f"kernel: {form} computes the same anywhere"


def require_triton(*tables: Tensor, instead: str = "fused") -> None:
    """Refuse what no kernel runs on.

    Args:
        tables: all that a kernel reads.
        instead: the form of the mechanism that computes the same anywhere.

    Raises:
        NotImplementedError: Triton or a GPU is missing, or of what type or size the tables are.
    """
    first, elsewhere = tables[0], _elsewhere(instead)
    if not reaches(first.device):
        and_triton = "" if find_spec("triton") else " and Triton"
        raise NotImplementedError(f"kernel: triton needs a CUDA device{and_triton}; {elsewhere}")
    wrong = next((x.dtype for x in tables if x.dtype not in _TYPES or x.dtype != first.dtype), None)
    if wrong is not None:
        raise NotImplementedError(
            "kernel: triton takes float32, float16 or bfloat16, all of one, not "
            f"{str(wrong).removeprefix('torch.')}; {elsewhere}"
        )
    if any(x.numel() >= _LARGEST_MAP * max(1, len(x)) for x in tables):
        raise NotImplementedError(f"kernel: triton takes maps of 2^31 numbers; {elsewhere}")


def import_triton(instead: str = "fused") -> Any:
    """The package `triton`.

    Args:
        instead: see `require_triton`.

    Raises:
        NotImplementedError: it is not installed.
    """
    if find_spec("triton") is None:
        raise NotImplementedError(
            "kernel: triton needs the optional extra `triton`: "
            f"pip install 'context-harness[triton]'; {_elsewhere(instead)}"
        )
    import triton

    return triton


def products() -> str:
    """How products of float32 numbers are made, by the flag that PyTorch's own go by."""
    return "tf32" if torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"


@dataclass(frozen=True)
class Tile:
    """What one program works on.

    Attributes:
        own: positions that it holds.
        others: positions that it goes through at a time.
        warps: of 32 threads.
        stages: tiles that are on their way from memory.
    """

    own: int
    others: int
    warps: int = 8
    stages: int = 2


def tiles(width: int, itemsize: int) -> list[Tile]:
    """Tiles from the largest that registers may hold to the smallest that there is.

    Args:
        width: numbers of a position that stay in registers while others are gone through.
        itemsize: bytes of a number in memory.
    """
    # 2^15 sums in float32 are half the registers of a multiprocessor (NVIDIA, compute capability
    # 7.0 to 10.0: 65536 of four bytes).
    own = max(16, min(128, 1 << (2**15 // width).bit_length() - 1))
    others = max(16, 128 // itemsize)
    found = [Tile(own, others)]
    while (own, others) != (16, 16):
        own, others = (own, others // 2) if others > 16 else (own // 2, others)
        found.append(Tile(own, others, warps=8 if own > 32 else 4))
    return found


# By kernel, widths, type and device: how many tiles have been found too large for it.
_too_large: dict[tuple[Any, ...], int] = {}


def launch(  # noqa: PLR0917 - a kernel and what it takes
    kernel: Any,
    programs: Callable[[Tile], int],
    tables: Iterable[Tensor],
    numbers: Mapping[str, int | float],
    choices: Mapping[str, Any],
    sizes: Iterable[Tile],
    *,
    instead: str = "fused",
) -> None:
    """Run a kernel with the first tile for which a multiprocessor has room.

    Args:
        kernel: takes tables, numbers, choices and a tile (`OWN`, `OTHERS`).
        programs: how many programs there are.
        tables: tensors in the kernel's order; the first says the device. What is written to is
            contiguous, as `new_empty` makes it.
        numbers: arguments by name.
        choices: arguments that are known when the kernel is compiled.
        sizes: of tiles, in turn.
        instead: see `require_triton`.

    Raises:
        NotImplementedError: even the smallest does not fit.
    """
    triton = import_triton(instead)
    # What calls `contiguous` in eager mode may not where a compiler has other strides in mind.
    tables = tuple(each.contiguous() for each in tables)
    # The interpreter's numbers are arrays, by which no range of Python ends.
    given = {n: triton.language.constexpr(x) for n, x in numbers.items()} if interpreted() else {}
    key = (id(kernel), *choices.values(), tables[0].dtype, tables[0].device)
    sizes = tuple(sizes)
    for index in range(_too_large.get(key, 0), len(sizes)):
        tile = sizes[index]
        try:
            with torch.cuda.device_of(tables[0]):
                kernel[(programs(tile),)](
                    *tables, **{**numbers, **given}, **choices, OWN=tile.own, OTHERS=tile.others,
                    num_warps=tile.warps, num_stages=tile.stages,
                )  # fmt: skip
        except triton.runtime.errors.OutOfResources:
            continue
        _too_large[key] = index
        return
    raise NotImplementedError(
        f"kernel: triton: no tile of {tuple(tables[0].shape)} fits this GPU; {_elsewhere(instead)}"
    )
