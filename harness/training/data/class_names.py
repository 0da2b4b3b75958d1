"""Lists of class names as text."""


def listed(text: str) -> tuple[str, ...]:
    """The names of a list with commas between them, over any number of lines."""
    return tuple(" ".join(name.split()) for name in text.split(","))
