"""Every public name stands in the reference, and in an example there that is run."""

import re

import pytest
from markdown_pages import ROOT, blocks

import harness

REFERENCE = ROOT / "docs" / "reference" / "api.md"


@pytest.mark.parametrize("name", sorted(harness.__all__))
def test_a_public_name_has_its_entry_and_an_example_that_is_run(name):
    entry = rf"^::: {harness._PLACES[name]}\.{name}\n +options:[^:]*?heading: harness\.{name}\b"
    assert re.search(entry, REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    run = [
        block.text
        for block in blocks(REFERENCE)
        if block.language == "python" and not block.title and not block.marker.not_run
    ]
    assert any(re.search(rf"\bharness\.{name}\b", text) for text in run)


def test_every_public_name_is_there_and_none_twice():
    assert len({*harness.__all__}) == len(harness.__all__)
    assert {*harness.__all__} == {*harness._PLACES}
    assert all(getattr(harness, name) is not None for name in harness.__all__)
