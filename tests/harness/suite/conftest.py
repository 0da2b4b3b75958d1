import textwrap
from pathlib import Path

import pytest

BLOCKS = """
    from collections.abc import Sequence
    from typing import Literal

    from torch import nn

    class Block(nn.Module):
        def __init__(
            self,
            in_channels: int,
            *,
            kernel_size: int = 1,
            rates: tuple[int, ...] = (1, 2),
            scale: float = 1.0,
            mode: Literal["sum", "concat"] = "sum",
        ) -> None:
            super().__init__()
            if kernel_size % 2 == 0:
                raise ValueError("kernel_size must be odd;\\n take 3")
            self.arguments = (in_channels, kernel_size, rates, scale, mode)

    class Sized(nn.Module):
        def __init__(self, in_channels: int, input_size: tuple[int, int], width: int) -> None:
            super().__init__()
            self.arguments = (in_channels, input_size, width)

    class Open(nn.Module):
        def __init__(self, **arguments: int) -> None:
            super().__init__()
            self.arguments = arguments

    class Bare(nn.Module):
        pass

    class Misspelt(nn.Module):
        def __init__(self, size: "NoSuchName", other=3) -> None:
            super().__init__()

    NUMBER = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory with a user's file of modules."""
    (tmp_path / "blocks.py").write_text(textwrap.dedent(BLOCKS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path):
    """Write a file of the current directory; returns its path as a user would give it."""

    def write_file(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file
