"""The environment of a run: machine, libraries, threads, git state, conditions, warnings."""

from harness.environment.describe import describe_environment
from harness.environment.git import git_state
from harness.environment.libraries import LIBRARIES
from harness.environment.machine import machine_key
from harness.environment.warnings import warnings_of

__all__ = ["LIBRARIES", "describe_environment", "git_state", "machine_key", "warnings_of"]
