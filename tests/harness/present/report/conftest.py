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
