"""One file a section, each with `check(setting)`, which yields what it finds."""
