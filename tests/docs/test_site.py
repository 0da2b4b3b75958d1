"""The documentation as a site: built strictly, complete, and sufficient to itself."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_pages import ROOT
from ruamel.yaml import YAML

from harness.records.quantities.registry import QUANTITIES

DOCS = ROOT / "docs"
GENERATE = DOCS / "generate"
MARKER = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


class Links(HTMLParser):
    """What a page would fetch, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.led: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source"):
            self.fetched += filter(None, [given.get("src")])
        elif tag == "link":
            self.fetched += filter(None, [given.get("href")])
        elif tag == "a":
            self.led += filter(None, [given.get("href")])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_page_is_built_and_fetches_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len(list(DOCS.rglob("*.md")))
    for path in pages:
        if path.name == "404.html":
            continue  # shown by a server for any address, so its own are absolute
        links = Links()
        links.feed(path.read_text(encoding="utf-8"))
        assert links.fetched
        for target in (*links.fetched, *links.led):
            there = target.partition("#")[0].partition("?")[0]
            if target in links.fetched or not re.match(r"https?:|mailto:", target):
                assert not re.match(r"[a-z]+:|//", there), f"{path.name} fetches {target}"
                assert not there or (path.parent / there).resolve().exists(), f"{path}: {target}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.slow
def test_generated_parts_hold_what_the_code_says(site):
    counting = page(site, "explanations/counting")
    for figure in ("43.335", "21.668", "21.716", "21.711", "20.179", "108.152"):
        assert figure in counting  # ISA under five conventions; Non-local under the first
    assert "698.4" in page(site, "explanations/memory")  # two relations, query, key and value
    statistics = page(site, "explanations/statistics")
    assert "96.88 %" in statistics  # six samples, the whole range: 1 - 2 / 2^6
    assert "<math" in statistics
    assert "148.37" in page(site, "explanations/not-reproducible")
    commands = page(site, "reference/cli")
    assert "<code>--self-test</code>" in commands
    suites = page(site, "reference/suite")
    assert "<code>not_reproducible</code>" in suites
    assert "<code>context_prior</code>" in suites
    assert "load_all" in page(site, "reference/api")
    columns = page(site, "reference/columns")
    assert all(f"<code>{name}</code>" in columns for name in QUANTITIES)
    for name in ("explanations/counting", "reference/cli", "reference/suite", "reference/columns"):
        assert "generated:" not in page(site, name)


def test_every_page_is_in_the_navigation():
    text = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text())
    given = YAML(typ="safe", pure=True).load(text)
    named = set(re.findall(r"[\w/-]+\.md", str(given["nav"])))
    assert named == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def test_every_marker_has_a_maker_and_every_maker_a_marker(monkeypatch):
    monkeypatch.syspath_prepend(str(GENERATE))
    import hooks

    asked = {name for path in DOCS.rglob("*.md") for name in MARKER.findall(path.read_text())}
    assert asked == set(hooks.PARTS)


def test_formulas_of_both_kinds_become_mathml(monkeypatch):
    monkeypatch.syspath_prepend(str(GENERATE))
    import hooks

    made = hooks.formulas("A $`x^2`$ and\n\n```math\n\\frac{a}{b}\n```\n")
    assert made.count("<math") == 2
    assert "<msup>" in made
    assert "<mfrac>" in made
    assert "`" not in made
