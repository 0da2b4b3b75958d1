import importlib
import sys

import pytest
from torch import nn

from harness.environment import source
from harness.environment.source import source_digest
from harness.training.network import build_network
from harness.training.trainer import Trainer

BLOCK = """
from torch import nn

from made_layers.helper import scale


class Block(nn.Module):
    def forward(self, x):
        return scale(x)
"""
HELPER = """
def scale(x):
    return 2 * x
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "made_layers"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def of(block=BLOCK, helper=HELPER):
        (package / "block.py").write_text(block)
        (package / "helper.py").write_text(helper)
        for name in [name for name in sys.modules if name.startswith("made_layers")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        made = importlib.import_module("made_layers.block").Block()
        return source_digest(nn.Sequential(made, nn.ReLU()))

    yield of
    for name in [name for name in sys.modules if name.startswith("made_layers")]:
        del sys.modules[name]


def test_a_changed_layer_changes_it(digest):
    before = digest()
    assert digest() == before
    assert digest(block=BLOCK.replace("scale(x)", "scale(x) + 1")) != before


def test_so_does_a_function_that_the_layer_imports(digest):
    assert digest(helper=HELPER.replace("2 * x", "3 * x")) != digest()


def test_comments_and_docstrings_do_not(digest):
    described = HELPER.replace("    return", '    """Twice."""\n    # why not\n    return')
    assert digest(helper=described) == digest()


def test_networks_of_other_classes_differ():
    from context_modules.pyramid_pooling import PyramidPooling
    from context_modules.squeeze_excitation import SqueezeExcitation

    ppm = source_digest(PyramidPooling(8, out_channels=8))
    assert ppm == source_digest(PyramidPooling(16, out_channels=4))
    assert ppm != source_digest(SqueezeExcitation(64))


# This project's own code, as text by the names of its files.

LOOP = """
from torch import relu as act
from harness.messages import HarnessError
from harness.made.losses import loss

STEPS = 3


class Trainer:
    def run(self, x):
        from harness.made.optimizer import step as take
        return take(loss(act(x)), STEPS)


def beside(x):
    return x
"""
LOSSES = """
def _half(x):
    return x / 2


def loss(x):
    return _half(x)
"""
OPTIMIZER = """
def step(x, steps):
    return x - steps
"""
FILES = {
    "harness.made.loop": LOOP,
    "harness.made.losses": LOSSES,
    "harness.made.optimizer": OPTIMIZER,
}


@pytest.fixture
def loop_digest(monkeypatch):
    def of(root="harness.made.loop", **files):
        given = {name: files.get(name.rpartition(".")[2], text) for name, text in FILES.items()}
        monkeypatch.setattr(source, "_source", given.get)
        _forget()
        trainer = type("Trainer", (), {"__module__": root})
        return source_digest(nn.ReLU(), [trainer])

    yield of
    _forget()


def _forget():
    source._top_level.cache_clear()
    source._definition.cache_clear()


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("loop", "STEPS = 3", "STEPS = 4"),
        ("loop", "act(x)), STEPS", "act(x)), STEPS + 1"),
        ("loop", "import relu as act", "import tanh as act"),
        ("losses", "x / 2", "x / 3"),
        ("losses", "return _half(x)", "return x"),
        ("optimizer", "x - steps", "x + steps"),
    ],
)
def test_a_change_of_what_the_loop_reaches_changes_it(loop_digest, file, before, after):
    text = FILES[f"harness.made.{file}"]
    assert text.count(before) == 1
    assert loop_digest(**{file: text.replace(before, after)}) != loop_digest()


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("loop", "class Trainer:", "# why\nclass Trainer:\n    '''Trains.'''\n"),
        ("loop", "take(loss(act(x)), STEPS)", "take(\n            loss(act(x)), STEPS\n        )"),
        ("loop", "def beside(x):\n    return x", "def beside(x):\n    return 2 * x"),
        ("loop", "import HarnessError", "import HarnessError, quote"),
        ("losses", "def loss", "def other(x):\n    return x\n\n\ndef loss"),
    ],
)
def test_layout_and_what_it_does_not_reach_do_not(loop_digest, file, before, after):
    text = FILES[f"harness.made.{file}"]
    assert text.count(before) == 1
    assert loop_digest(**{file: text.replace(before, after)}) == loop_digest()


def test_nor_do_files_that_are_joined_or_moved(loop_digest, monkeypatch):
    before = loop_digest()
    own = [line for line in LOOP.splitlines() if "harness.made" not in line]
    joined = "\n".join([LOSSES, *own]).replace("take(", "step(") + OPTIMIZER
    assert "step(loss(act(x)), STEPS)" in joined
    apart = loop_digest(loop=LOOP.replace(" as take", "").replace("take(", "step("))
    assert before != apart  # another name for it is other code
    monkeypatch.setitem(FILES, "context_modules.made", joined)
    assert loop_digest("context_modules.made") == apart


def test_what_a_layer_imports_of_this_project_counts_wherever_it_stands(digest):
    layer = BLOCK + "\n\ndef later():\n    from context_modules.{}\n"
    one = digest(block=layer.format("layers import ConvBNReLU"))
    assert digest(block=layer.format("layers import resize")) != one
    assert digest(block=layer.format("attention import attend as ConvBNReLU")) != one


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("harness.messages", False),
        ("harness.case", False),
        ("context_modules.catalog", False),
        ("context_modules.published", False),
        ("harness.training.trainer", True),
        ("harness.training.batches", True),
        ("context_modules.losses", True),
        ("context_modules.segmentor", True),
    ],
)
def test_what_the_loop_says_does_not_count_and_what_it_computes_does(monkeypatch, name, counts):
    before = source_digest(nn.ReLU(), [Trainer, build_network])
    text = source._source

    def changed(module):
        return text(module).replace("return ", "return 0, ") if module == name else text(module)

    monkeypatch.setattr(source, "_source", changed)
    _forget()
    assert (source_digest(nn.ReLU(), [Trainer, build_network]) != before) is counts
    monkeypatch.undo()
    _forget()
    assert source_digest(nn.ReLU(), [Trainer, build_network]) == before


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [('"lip"', '"lip", "another"', False), ('"camvid", "lip"', '"camvid"', False),
     ('"ade20k", ', "", True), ('"camvid"', '"road"', True)],
)  # fmt: skip
def test_a_data_set_that_is_added_at_the_end_does_not_count(monkeypatch, before, after, counts):
    digest = source_digest(nn.ReLU(), [Trainer, build_network])
    text, name = source._source, "harness.suite.recipe"
    assert text(name).count(before) == 1

    def changed(module):
        return text(module).replace(before, after) if module == name else text(module)

    monkeypatch.setattr(source, "_source", changed)
    _forget()
    assert (source_digest(nn.ReLU(), [Trainer, build_network]) != digest) is counts
    monkeypatch.undo()
    _forget()


def test_a_users_files_are_followed_beside_each_other(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    block = BLOCK.replace("made_layers.helper", "made_sibling")

    def digest(helper, block=block):
        (tmp_path / "made_lone.py").write_text(block)
        (tmp_path / "made_sibling.py").write_text(helper)
        for name in ("made_lone", "made_sibling"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return source_digest(importlib.import_module("made_lone").Block())

    before = digest(HELPER)
    assert digest(HELPER.replace("2 * x", "3 * x")) != before
    assert digest(HELPER, "import harness\nimport json\n" + block) != before  # its own code
    assert digest(HELPER) == before
