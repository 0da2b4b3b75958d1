import os

import pytest
from hypothesis import settings

# The same examples in every run: what fails in CI fails here. With HYPOTHESIS_PROFILE=default the
# search goes on.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory):
    """Timed cases of the test processes beside this one are no reason to wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield
