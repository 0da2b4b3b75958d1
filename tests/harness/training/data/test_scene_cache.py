"""Generated splits are made once, and made again when their file is not what it should be."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.data import scenes
from harness.training.data.dataset import open_data
from harness.training.data.scenes import cached, scenes_folder

PARAMETERS = {"val": 5, "size": 48, "gap": 2}


def opened(folder):
    return open_data("scenes", "val", root=folder, parameters=PARAMETERS)


@pytest.fixture
def made(monkeypatch):
    """Numbers of the samples that were generated."""
    numbers = []
    compose = scenes.compose

    def counted(parameters, split, index):
        numbers.append(index)
        return compose(parameters, split, index)

    monkeypatch.setattr(scenes, "compose", counted)
    return numbers


def same(first, second):
    return all(
        torch.equal(a.image, b.image) and torch.equal(a.labels, b.labels)
        for a, b in zip(first, second, strict=True)
    )


def test_a_split_is_generated_once(tmp_path, made):
    first = opened(tmp_path)
    assert made == list(range(5))
    again = opened(tmp_path)
    assert len(made) == 5
    assert same(first, again)
    assert first.kinds == again.kinds
    assert [file.name for file in tmp_path.iterdir()] == [f"{first.version}.npz"]


def _cut(content):
    return content[: len(content) // 2]


def _flip(content):
    at = len(content) // 3
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


@pytest.mark.parametrize("harm", [_cut, _flip, lambda _: b"", lambda _: b"no archive"])
def test_a_damaged_file_is_made_again(tmp_path, made, harm):
    first = opened(tmp_path)
    file = tmp_path / f"{first.version}.npz"
    file.write_bytes(harm(file.read_bytes()))
    again = opened(tmp_path)
    assert len(made) == 10
    assert same(first, again)
    opened(tmp_path)
    assert len(made) == 10  # and it is whole now


def test_a_file_of_other_parameters_under_this_name_is_not_taken(tmp_path, made):
    first = opened(tmp_path)
    other = open_data("scenes", "val", root=tmp_path, parameters={**PARAMETERS, "val": 4})
    (tmp_path / f"{other.version}.npz").replace(tmp_path / f"{first.version}.npz")
    assert len(opened(tmp_path)) == 5


def test_without_a_folder_to_write_it_works_and_warns(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.warns(RuntimeWarning, match="not kept"):
        data = opened(blocked)
    assert len(data) == 5


def test_the_default_folder_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert scenes_folder() == tmp_path / "context-harness" / "scenes"


def test_an_archive_that_says_it_is_encrypted_is_made_again(tmp_path):
    whole = {"a": np.arange(3, dtype=np.uint8)}
    make = {"shapes": {"a": (3,)}, "make": lambda: whole}
    cached(tmp_path, "v", **make)
    file = tmp_path / "v.npz"
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # general purpose bit 0 of the directory entry
    content[6] |= 1
    file.write_bytes(content)
    assert (cached(tmp_path, "v", **make)["a"] == whole["a"]).all()


@settings(deadline=None, max_examples=150)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory, at, bit):
    folder = tmp_path_factory.mktemp("cache")
    whole = {"a": np.arange(48, dtype=np.uint8).reshape(6, 8), "b": np.zeros(3, dtype=np.uint8)}
    shapes = {name: array.shape for name, array in whole.items()}
    cached(folder, "v", shapes, lambda: whole)
    file = folder / "v.npz"
    content = bytearray(file.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    file.write_bytes(content)
    found = cached(folder, "v", shapes, lambda: whole)
    assert all((found[name] == whole[name]).all() for name in whole)
