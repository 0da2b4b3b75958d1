"""Printed figures and verdicts: what our numbers say beside those of papers and of earlier runs."""
