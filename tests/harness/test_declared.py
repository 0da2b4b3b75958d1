"""Signatures read from files are those that importing them gives."""

import subprocess
import sys
from types import NoneType
from typing import Any, Literal

import pytest

import context_modules
from context_modules.catalog import CATALOG
from harness.declared import declared_signature
from harness.signature import parameters_of


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_a_signature_is_that_of_the_class(entry):
    declared = declared_signature(entry.target)
    assert declared is not None, "its hints need more than the file says; write them in such terms"
    assert declared == parameters_of(entry.load())
    assert list(declared.parameters) == list(parameters_of(entry.load()).parameters)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A file beside the catalog's, with classes of every kind."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(context_modules, "__path__", [*context_modules.__path__, str(tmp_path)])
        return f"context_modules.{name}"

    return write


def test_hints_are_worked_out_as_python_would(written):
    file = written(
        "written_one",
        "from typing import Literal as L\n"
        "from torch import nn\n"
        "from context_modules.layers import Transform\n"
        "Kind = L['a', 'b']\n"
        "class Base(nn.Module):\n"
        "    def __init__(self, in_channels: int, /, width: 'int | None' = None, *,\n"
        "                 kind: Kind = 'a', transform: Transform, free=3, none: None = None,\n"
        "                 **rest: int) -> None:\n"
        "        super().__init__()\n"
        "class Derived(Base):\n"
        "    pass\n"
        "class Bare(nn.Module):\n"
        "    pass\n",
    )
    found = declared_signature(f"{file}:Derived")
    assert found is not None
    hints = {name: each.hint for name, each in found.parameters.items()}
    assert hints["width"] == int | None
    assert hints["kind"] == Literal["a", "b"]
    assert "cbr" in hints["transform"].__args__
    assert (hints["free"], hints["none"]) == (Any, NoneType)
    assert found.takes_any
    assert [n for n, each in found.parameters.items() if each.required] == ["transform"]
    assert [n for n, each in found.parameters.items() if each.open] == [
        "width",
        "transform",
        "none",
    ]
    bare = declared_signature(f"{file}:Bare")
    assert (dict(bare.parameters), bare.takes_any) == ({}, False)


@pytest.mark.parametrize(
    "text",
    [
        "import torch\nclass A:\n    def __init__(self, x: torch.dtype): ...\n",
        "class B: ...\nclass A:\n    def __init__(self, x: B): ...\n",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\n",
        "def made(): ...\nclass A:\n    def __init__(self, x: made()): ...\n",
        "from elsewhere import T\nclass A:\n    def __init__(self, x: T): ...\n",
        "class B: ...\nclass A(B, int): ...\n",
        "A = 3\n",
    ],
)
def test_what_a_file_does_not_say_is_left_to_its_import(written, text):
    file = written(f"written_{abs(hash(text))}", text)
    assert declared_signature(f"{file}:A") is None


def test_a_suite_of_the_catalog_is_checked_without_pytorch(tmp_path):
    (tmp_path / "suite.yaml").write_text(
        "suite: s\ninput: [1, 64, 9, 9]\nmeasure: [params]\n"
        "cases:\n  - {module: base_oc, with: {groups: [3, 3]}}\n"
        "  - {module: ppm, with: {bins: [1, 'a']}}\n"
    )
    code = (
        "import sys; from harness.cli.app import main\n"
        "sys.argv = ['harness', 'validate', 'suite.yaml']\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print('torch' in sys.modules, end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "bins" in done.stderr
    assert done.stdout.split()[-2:] == ["False", "2"]
