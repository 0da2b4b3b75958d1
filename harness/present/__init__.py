"""What people see of a run: references, verdicts, tables and plots."""
