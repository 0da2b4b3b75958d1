import os

from hypothesis import settings

# The same examples in every run: what fails in CI fails here. With HYPOTHESIS_PROFILE=default the
# search goes on.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
