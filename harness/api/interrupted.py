"""A run that was ended by Ctrl-C or by the batch system."""

from harness.api.run import Run


class RunInterrupted(KeyboardInterrupt):
    """A run was interrupted; its finished cases are kept, and `resume=True` measures the rest.

    Attributes:
        run: what is finished.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(
            f"{len(run.records)} of {run.total} cases are kept in {run.directory.path}; "
            "go on with resume=True"
        )
