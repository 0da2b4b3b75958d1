"""Quantities: what a row of a run can show, one row of data each."""
