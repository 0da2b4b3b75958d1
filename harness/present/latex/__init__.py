"""LaTeX of a table, to paste into a paper."""
