import importlib
import sys

import pytest
from torch import nn

from harness.training.source import source_digest

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


# With the training loop, as the code before the modules were imported as `context_modules` said it.
# Python says what it parsed in other words from version to version.
KEPT = {
    (3, 11): ("c68e4d69951688cc", "8a35423402939d7c"),
    (3, 12): ("f6240eb6f03086d6", "135c140547da9059"),
    (3, 13): ("bd4141fe4ab272a9", "e9ab9467e63ae451"),
}


def test_a_kept_training_stays_when_files_get_another_name():
    """Where layers or the loop are changed on purpose, these hashes are, too."""
    from context_modules.pyramid_pooling import PyramidPooling
    from harness.training.accuracy import _LOOP

    ppm = PyramidPooling(8, out_channels=8)
    assert (source_digest(ppm), source_digest(ppm, _LOOP)) == KEPT[sys.version_info[:2]]


def test_so_does_one_of_a_layer_that_imports_from_them(digest):
    layer = BLOCK + "\n\nif False:\n    from {} import ConvBNReLU\n"
    kept = digest(block=layer.format("modules.layers"))
    assert digest(block=layer.format("context_modules.layers")) == kept
    assert digest(block=layer.format("context_modules.attention")) != kept


@pytest.mark.parametrize(
    ("name", "counts"),
    [("harness.messages", False), ("harness.case", False), ("harness.training.trainer", True)],
)
def test_what_the_loop_says_does_not_count_and_what_it_computes_does(
    monkeypatch, tmp_path, name, counts
):
    loop = importlib.import_module("harness.training.trainer")
    before = source_digest(nn.ReLU(), [loop])
    changed = tmp_path / "changed.py"
    changed.write_text("anything = 1\n")
    monkeypatch.setattr(importlib.import_module(name), "__file__", str(changed))
    assert (source_digest(nn.ReLU(), [loop]) != before) is counts
