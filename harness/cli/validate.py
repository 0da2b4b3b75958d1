"""`harness validate`: check a suite without running it."""

from harness.cli.options import SuiteFile
from harness.cli.output import console, strangers
from harness.present.check import check
from harness.suite import load


def validate(suite_file: SuiteFile) -> None:
    """Check SUITE and what it includes: every mistake at once, one line each, exit code 2."""
    with strangers():
        suite = load(suite_file)
        check(suite)
    parts, jobs = suite.parts(), suite.all_jobs()
    console().print(
        f"{suite_file}: {len(jobs)} {'case' if len(jobs) == 1 else 'cases'} in "
        f"{len(parts)} {'suite' if len(parts) == 1 else 'suites'}, no mistakes",
        markup=False,
        soft_wrap=True,
    )
