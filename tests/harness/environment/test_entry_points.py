"""Entry points are read once, and again when something is installed."""

import sys

from harness.environment.entry_points import entry_points_of

GROUP = "context_harness.of_this_test"


def install(folder, name):
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}.file:function\n")


def test_what_is_installed_meanwhile_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    assert entry_points_of(GROUP) == ()  # the folder is not even there
    install(tmp_path / "site", "first")
    (first,) = entry_points_of(GROUP)
    assert (first.name, first.value) == ("first", "first.file:function")
    install(tmp_path / "site", "second")
    assert {point.name for point in entry_points_of(GROUP)} == {"first", "second"}
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "more")])
    install(tmp_path / "more", "third")
    assert {point.name for point in entry_points_of(GROUP)} == {"first", "second", "third"}


def test_nothing_is_read_twice():
    assert entry_points_of("console_scripts") is entry_points_of("console_scripts")
