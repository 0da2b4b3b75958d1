from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import harness

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def rows_of(tmp_path_factory) -> Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]:
    """Measures a suite whose modules lie beside these tests; its rows by label."""

    def measured(suite: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(HERE)
            out = tmp_path_factory.mktemp("runs")
            done = harness.run(suite, out=out, progress=False, write=False)
        return {row["label"]: row for row in done.rows()}

    return measured
