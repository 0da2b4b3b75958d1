"""Textures from photographs: parts of files that a package ships, read without importing it."""

import sys

import numpy as np
import pytest
from PIL import Image

from harness.training.data import photographs
from harness.training.data.dataset import DataError, open_data
from harness.training.data.draw import SceneParameters
from harness.training.data.scenes import surface

ASKED = {"textures_from": "photographs", "val": 2, "train": 2}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with photographs where scikit-image's would be, three times the same ramp."""
    for known in (photographs.photograph, photographs.photographs_digest):
        known.cache_clear()
    data = tmp_path / "site" / "skimage" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('is not to be imported')\n")
    ramp = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    for n, name in enumerate(photographs.PHOTOGRAPHS):
        Image.fromarray(ramp + n).save(data / f"{name}.png")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    yield data
    for known in (photographs.photograph, photographs.photographs_digest):
        known.cache_clear()


def test_a_surface_is_a_part_of_the_photograph(shipped):
    whole = photographs.photograph(0)
    assert whole.shape == (16, 20)  # means over squares of four pixels
    assert np.abs(whole).max() <= 1
    assert (surface(0, (5, 6), (0.25, 0.5)) == whole[4:9, 10:16]).all()
    # Past the end it begins again.
    assert (surface(0, (5, 30), (0.9, 0.0))[:, :20] == whole[[14, 15, 0, 1, 2]]).all()
    assert surface(1, (40, 50), (0.0, 0.0)).shape == (40, 50)


def test_a_version_names_the_files(shipped, tmp_path):
    before = SceneParameters.parse(ASKED).version("val")
    assert before != SceneParameters.parse(ASKED | {"textures_from": "waves"}).version("val")
    data = open_data("scenes", "val", root=tmp_path, parameters=ASKED)
    waves = open_data(
        "scenes", "val", root=tmp_path, parameters={**ASKED, "textures_from": "waves"}
    )
    assert (data.labels == waves.labels).all()
    assert not (data[0].image == waves[0].image).all()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(shipped / "brick.png")
    photographs.photographs_digest.cache_clear()
    assert SceneParameters.parse(ASKED).version("val") != before


def test_a_file_that_is_not_there_is_named(shipped):
    (shipped / "grass.png").unlink()
    with pytest.raises(DataError, match=r"grass\.png is not there: scikit-image"):
        SceneParameters.parse(ASKED).version("val")


def test_without_the_package_the_extra_is_named(monkeypatch):
    photographs.photographs_digest.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(DataError, match=r"pip install 'context-harness\[photographs\]'"):
        SceneParameters.parse(ASKED).version("val")
