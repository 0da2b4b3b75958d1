"""The process of a case: its worker, its supervisor, and the pipe through which it answers."""
