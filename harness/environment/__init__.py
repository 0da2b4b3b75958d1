"""Where a run takes place: machine, equipment, conditions, git, files, and the import path."""
