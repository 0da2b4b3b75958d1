"""Jobs on the modules of `made_subjects` and of the catalog."""

from pathlib import Path

from harness.case import Case, Job

HERE = str(Path(__file__).parent)


def made_job(module, shape=(2, 3, 16, 16), *, pass_="inference", dtype="float32", **arguments):
    """A job on a catalog module, or on a class of `made_subjects` (written with a capital)."""
    name = f"made_subjects:{module}" if module[0].isupper() else module
    case = Case(name, arguments, (shape,), dtype=dtype, pass_=pass_)
    return Job("tests", module, case, (), timeout=60.0, search_path=(HERE,))
