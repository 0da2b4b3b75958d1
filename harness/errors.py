"""Errors that a user can cause; each says what to do, and none is shown as a traceback."""


class HarnessError(Exception):
    """A mistake that the user can mend. The CLI prints it as one line and ends with `exit_code`."""

    exit_code = 2
