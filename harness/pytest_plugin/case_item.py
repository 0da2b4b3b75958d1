"""A case as pytest sees it: a test with pytest-benchmark's own `benchmark` fixture."""

from contextlib import suppress
from typing import Any

import pytest

from harness.case import Job
from harness.pytest_plugin.failure import CaseFailedError


class CaseItem(pytest.Function):
    """One case of a suite.

    A `pytest.Function`, so that fixtures are filled and pytest-benchmark's options (only, skip,
    disable, compare) find it as they find any other benchmark.
    """

    @classmethod
    def of(cls, parent: pytest.Collector, job: Job) -> "CaseItem":
        """The item of a job.

        Args:
            parent: the file, or the part of it, that has the job.
            job: a case with its limits.
        """

        def case(benchmark: Any) -> None:
            _run(job, benchmark)

        # On the command line `::` separates names.
        name = job.label.replace("::", ":")
        item: CaseItem = cls.from_parent(parent, name=name, callobj=case)
        if item.config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(job.timeout))
        return item

    def reportinfo(self) -> tuple[str, int | None, str]:
        """The suite's file and the label, not the function above; pytest wants a line, too."""
        return str(self.path), 0, self.name


def _run(job: Job, benchmark: Any) -> None:
    from harness.pytest_plugin.measured import measure

    text = None
    try:
        measure(job, benchmark)
    except CaseFailedError as error:
        text = str(error)
    if text is not None:  # outside of the handler: its traceback would keep the case's tensors
        with suppress(Exception):
            benchmark.pedantic(_fail)  # so that pytest-benchmark knows of the failure
        pytest.fail(text, pytrace=False)


def _fail() -> None:
    raise CaseFailedError("error", "the case failed before it was timed")
