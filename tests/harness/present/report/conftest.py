from pathlib import Path

import pytest
from made_reports import everything, many
from parsed_html import Parsed

import harness


@pytest.fixture(scope="session")
def printed_report(tmp_path_factory) -> Path:
    """The report of a run with printed figures, a failed case, plots and samples."""
    return harness.report(everything(tmp_path_factory.mktemp("printed")))


@pytest.fixture(scope="session")
def printed(printed_report) -> Parsed:
    return Parsed(printed_report.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def many_report(tmp_path_factory) -> Path:
    """The report of 2,000 cases."""
    return harness.report(many(tmp_path_factory.mktemp("many"), 2000))


@pytest.fixture
def opened(browser):
    """Opens a file; what the console says and what is fetched besides the file fails the test."""
    contexts, said, fetched, files = [], [], [], set()

    def open_file(path: Path, scheme="light", width=1280):
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        files.add(path.as_uri())
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []
    assert set(fetched) == files
