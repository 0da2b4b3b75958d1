"""Suites: YAML files that say what to measure and what to show, read and written out as cases."""
