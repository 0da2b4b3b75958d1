"""Suites: YAML files that say what to measure and what to show."""

from harness.suite.document import Problem, SuiteError
from harness.suite.loader import load
from harness.suite.presentation import (
    FigureSpec,
    PlotSpec,
    ReferenceSpec,
    TableSpec,
)
from harness.suite.suite import Overrides, Suite

__all__ = [
    "FigureSpec",
    "Overrides",
    "PlotSpec",
    "Problem",
    "ReferenceSpec",
    "Suite",
    "SuiteError",
    "TableSpec",
    "load",
]
