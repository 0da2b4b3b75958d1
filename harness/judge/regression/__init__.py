"""Regressions: comparing runs, baselines, and the verdicts of a change."""
