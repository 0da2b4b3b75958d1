"""The page of a history in a real browser, opened from disk."""

from pathlib import Path

import pytest
from stored_runs_made import write_commits

from harness.judge.regression.history import read_history
from harness.present.report.history_page import history_html

RUNS, CASES = 60, 80


@pytest.fixture(scope="module")
def history_file(tmp_path_factory) -> Path:
    """A page of 60 runs of 80 cases, the third of which became slower."""
    root = write_commits(tmp_path_factory.mktemp("history"), RUNS, CASES, [(2, 40, 1.2)])
    file = root / "history.html"
    file.write_text(history_html(read_history([root], repository=root), root), encoding="utf-8")
    return file


def count(page):
    return page.locator("#history-tools [data-count]").inner_text()


def ink(page, selector):
    """How many different colours the canvas has."""
    return page.locator(f"{selector} canvas").evaluate(
        """(canvas) => {
            if (!canvas.width) return 0;
            const pen = canvas.getContext("2d");
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )


def open_third(page):
    page.locator("#worse").get_by_role("link", name="case 002").click()
    page.locator("#series-3.open").wait_for()
    return page.locator("#series-3")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 360)])
def test_nothing_keeps_anybody_from_reading_it(opened, history_file, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(history_file, scheme, width)
    open_third(page)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.locator("#series-3 table").wait_for()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["target"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_are_drawn_as_they_come_into_the_window(opened, history_file):
    page = opened(history_file)
    page.locator("#series-1").scroll_into_view_if_needed()
    page.locator("#series-1 canvas:not([width='0'])").wait_for()
    assert ink(page, "#series-1") > 2
    assert ink(page, f"#series-{CASES}") == 0
    page.locator(f"#series-{CASES}").scroll_into_view_if_needed()
    page.locator(f"#series-{CASES} canvas:not([width='0'])").wait_for()
    assert ink(page, f"#series-{CASES}") > 2


def test_a_change_leads_to_its_chart_and_the_keyboard_from_run_to_run(opened, history_file):
    page = opened(history_file)
    figure = open_third(page)
    assert page.evaluate("document.activeElement.textContent") == "case 002"
    assert "+20" in figure.locator("ol").inner_text()
    assert ink(page, "#series-3") > 5
    slider = figure.get_by_role("slider")
    before = figure.locator(".point").inner_text()
    assert "torch 2.14.0" in before
    slider.press("Home")
    first = figure.locator(".point").inner_text()
    assert "torch 2.13.0" in first
    assert slider.get_attribute("aria-valuetext").endswith(")")
    slider.press("ArrowRight")
    assert figure.locator(".point").inner_text() not in (before, first)
    page.get_by_role("button", name="case 002").press("Enter")
    assert not figure.locator(".point").is_visible()


def test_one_looks_closer_and_back_by_buttons_and_by_dragging(opened, history_file):
    page = opened(history_file)
    figure = open_third(page)
    assert count(page) == f"{CASES} series; all {RUNS} runs"
    page.get_by_role("button", name="Zoom in").press("Enter")
    assert f"runs 16 to 45 of {RUNS}" in count(page)
    page.get_by_role("button", name="Earlier").click()
    assert f"runs 1 to 30 of {RUNS}" in count(page)
    page.get_by_role("button", name="All runs").click()
    box = figure.locator("canvas").bounding_box()
    for share, step in ((0.5, page.mouse.down), (0.75, page.mouse.up)):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        step()
    begin, end = (int(each) for each in count(page).split("runs ")[1].split(" of")[0].split(" to "))
    assert RUNS * 0.4 < begin < RUNS * 0.6 < end < RUNS * 0.85


def test_cases_are_filtered_by_text_and_by_whether_they_changed(opened, history_file):
    page = opened(history_file)
    page.fill("#history-find", "MINI latency 02")
    shown = page.locator("figure.chart:visible h3")
    assert shown.all_inner_texts() == ["case 002", *(f"case 02{number}" for number in range(10))]
    page.check("#history-changed")
    assert shown.all_inner_texts() == ["case 002"]
    assert count(page).startswith(f"1 of {CASES} series")


def test_a_theme_that_is_chosen_colours_the_charts(opened, history_file):
    page = opened(history_file)
    open_third(page)
    shot = "document.querySelector('#series-3 canvas').toDataURL()"
    light = page.evaluate(shot)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(shot) != light
