"""Text of unknown origin as lines that a terminal, a file and JSON can take."""


def printable(text: str) -> str:
    """The text without control characters, escapes, direction marks and lone surrogates.

    Line feeds stay, tabs become spaces; everything else that does not print becomes U+FFFD.
    """
    text = text.expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def last_lines(text: str, count: int, width: int = 500) -> tuple[str, ...]:
    """The last lines of a text, each printable and at most `width` characters long."""
    return tuple(line[:width] for line in printable(text).split("\n") if line.strip())[-count:]
