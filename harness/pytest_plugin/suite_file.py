"""A suite file as pytest sees it: a collector of cases."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.pytest_plugin.case_item import CaseItem
from harness.suite import Suite, load


class SuiteFile(pytest.File):
    """A suite: its cases, then one `SuitePart` per suite that it includes."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """The cases as `file::label`, those of an included suite as `file::suite::label`.

        Raises:
            CollectError: pytest-benchmark is missing, or the suite has mistakes: one line each.
        """
        if not self.config.pluginmanager.hasplugin("benchmark"):
            raise self.CollectError(
                f"{self.path.name}: the cases of a suite are timed by pytest-benchmark, which is "
                "not loaded; install it with: pip install pytest-benchmark"
            )
        suite = self._load()
        for part in suite.parts():
            if part is suite:
                yield from _cases(self, part)
            else:
                yield SuitePart.from_parent(self, name=part.name, suite=part)

    def _load(self) -> Suite:
        from harness.present.check import check

        try:
            suite = load(self.path)
            check(suite)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        return suite


class SuitePart(pytest.Collector):
    """A suite that another one includes."""

    def __init__(self, *, suite: Suite, **options: Any) -> None:
        super().__init__(**options)
        self._suite = suite

    def collect(self) -> Iterator[pytest.Item]:
        """Its cases."""
        return _cases(self, self._suite)


def _cases(parent: pytest.Collector, suite: Suite) -> Iterator[pytest.Item]:
    for job in suite.jobs:
        if job.replicate == 1:  # pytest-benchmark's rounds all run in one process
            yield CaseItem.of(parent, job)
