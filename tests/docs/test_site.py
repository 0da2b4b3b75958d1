"""The documentation as a site: built strictly, complete, and sufficient to itself."""

import json
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
def test_the_search_of_a_page_opened_from_disk_has_all_that_it_needs(site):
    declared, _, index = (site / "search" / "search_index.js").read_text().partition(" = ")
    assert declared == "var __index"
    places = {each["location"].partition("#")[0] for each in json.loads(index)["docs"]}
    assert {"guides/gpu-runner.html", "reference/cli.html"} <= places
    links = Links()
    links.feed(page(site, "guides/gpu-runner"))
    shim, _bundle = (each for each in links.fetched if each.endswith(".js"))
    assert shim == "../assets/iframe-worker.js"  # before what starts a worker
    assert "window.Worker=" in (site / "assets" / "iframe-worker.js").read_text()


@pytest.mark.slow
def test_the_search_finds_pages_without_a_server(site, browser):
    opened, fetched, said = browser.new_page(), [], []
    opened.on("request", lambda request: fetched.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((site / "guides" / "gpu-runner.html").as_uri())
    field = opened.locator(".md-search__input")
    field.click()
    opened.get_by_text("Type to start searching").wait_for()  # the index is read
    field.press_sequentially("energy")
    found = opened.locator(".md-search-result__link")
    found.first.wait_for()
    assert any("reference/columns.html" in each.get_attribute("href") for each in found.all())
    opened.close()
    assert said == []
    assert all(each.startswith(site.as_uri()) for each in fetched)


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
