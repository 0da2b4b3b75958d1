"""Sheet: the room that a figure is made for, and the letters that are read there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from harness.messages import HarnessError, suggest


@dataclass(frozen=True)
class Sheet:
    """Width, letters and words of a figure. Sizes in the code of plots are those of a page."""

    width: float  # inches
    scale: float  # of letters, lines and marks against those of a page
    least: float  # points; no letter is smaller
    dpi: int  # of bitmaps
    tall: float  # of the height of a plot that has no rows against that of a page
    height: float | None = None  # inches, of the whole figure at least; as plots need if absent
    font: str | None = None  # family that is installed; that of matplotlib if absent
    titled: bool = False  # whether title and notes stand in the figure, too

    def text(self, size: float) -> float:
        """Points of letters that have `size` points on a page."""
        return max(self.least, self.scale * size)

    def length(self, size: float) -> float:
        """Of a line, a mark or a gap that has `size` on a page, in its unit."""
        return self.scale * size

    def free(self, height: float) -> float:
        """Inches of a plot as high as one likes."""
        return self.height or self.tall * height

    def rows(self, height: float) -> float:
        """Inches of a plot that is as high as the lines of text in it."""
        if self.height is None:
            return self.scale * height
        return max(self.height, _CLOSE * self.scale * height)

    def characters(self, size: float, share: float = 1.0) -> int:
        """Letters of `size` points on a page that fit into a share of the width."""
        return max(1, int(share * self.width * 72 / (_LETTER * self.text(size))))


_CLOSE = 0.6  # of the distance of lines: as close as they may stand to stay on a slide
_LETTER = 0.62  # of the size: the mean width of letters of DejaVu Sans, wider than most

# IEEE Author Center, "Create Graphics for Your Article": one column is 3.5 inches wide, two are
# 7.16 ("Size Requirements for Graphics"), bitmaps have 300 dots per inch ("Resolution and Size").
PAGE = Sheet(width=7.16, scale=1.0, least=6.5, dpi=300, tall=1.0)
COLUMN = Sheet(width=3.5, scale=0.875, least=6.5, dpi=300, tall=0.64)
# Microsoft, "Change the size of your slides": widescreen, 16:9, is 13.333 by 7.5 inches; "Make
# your PowerPoint presentations accessible": letters of 18 points or more.
SLIDE = Sheet(width=40 / 3, scale=2.25, least=18.0, dpi=150, tall=1.0, height=7.5)

FIGURES: Mapping[str, Sheet] = {"column": COLUMN, "page": PAGE, "slide": SLIDE}
"""Sheets by the names that people give."""

_SHEET: ContextVar[Sheet] = ContextVar("sheet", default=PAGE)


def sheet() -> Sheet:
    """What is drawn for now; it is no argument, as matplotlib's own settings are none."""
    return _SHEET.get()


@contextmanager
def drawn_for(of: Sheet) -> Iterator[None]:
    """Makes `of` the sheet of all that is drawn within."""
    before = _SHEET.set(of)
    try:
        yield
    finally:
        _SHEET.reset(before)


def sheet_of(figure: str = "page", font: str | None = None, *, titled: bool = False) -> Sheet:
    """The sheet of a name, with another font if one is named.

    Args:
        figure: one of `FIGURES`.
        font: family that is installed, in any case.
        titled: whether title and notes stand in the figure, too.

    Raises:
        HarnessError: there is no such sheet or font; names the nearest.
    """
    if figure not in FIGURES:
        raise HarnessError(f"figure {figure}: no such size; {suggest(figure, FIGURES, 'sizes')}")
    if font is not None:
        from harness.present.plots.fonts import installed  # matplotlib takes half a second

        font = installed(font)
    return replace(FIGURES[figure], font=font, titled=titled)
