import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.files import (
    LONGEST_NAME,
    FileNameError,
    checked_name,
    usable_name,
    write_atomically,
)


def test_a_file_is_replaced_whole_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "file"
    for content in (b"one", b"another"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"another")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".x", "../x", "/x", "a/b", "a\\b", "a\0b", "a\nb", "a\x1b[1m", "a\u202eb", "-x",
     "x" * (LONGEST_NAME + 1), "\u4e2d" * 70, "~x", "a:b"],
)  # fmt: skip
def test_what_is_no_name_of_one_file_is_refused(name):
    with pytest.raises(FileNameError, match="file name; use") as caught:
        checked_name(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a", "ocnet-table4", "Table 4 (b)", "v1.2", "é", "x" * 100])
def test_a_name_stays_as_it_is(name):
    assert checked_name(name) == usable_name(name) == name


@given(st.text())
def test_any_text_can_be_made_a_name(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("names")
    (folder / f"{usable_name(text)}.json").write_text("x")
    assert len(list(folder.iterdir())) == 1
