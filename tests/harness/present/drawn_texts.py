"""Boxes of all text that a figure shows."""

from itertools import combinations

from matplotlib.text import Text

TOUCH = 1.0  # pixels that boxes of neighbouring lines may share


def drawn(figure):
    """Text and box, in pixels, of every visible text."""
    figure.draw_without_rendering()
    found = list(figure.texts)
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    for legend in (each for each in legends if each is not None):
        found += [*legend.get_texts(), legend.get_title()]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label, *_ticks(axes)]
    return [
        # Of an annotation the words alone: its own box has the arrow in it.
        (text.get_text(), Text.get_window_extent(text))
        for text in found
        if text.get_visible() and text.get_text().strip() and text.get_alpha() != 0
    ]


def _ticks(axes):
    """Labels of the ticks within the axes; others exist and are not drawn."""
    if not axes.axison:
        return []
    low, high = sorted(axes.get_xlim())
    across = [each for each in axes.get_xticklabels() if low <= each.get_position()[0] <= high]
    low, high = sorted(axes.get_ylim())
    return [
        *across,
        *(each for each in axes.get_yticklabels() if low <= each.get_position()[1] <= high),
    ]


def overlaps(figure):
    """Pairs of texts that cover each other. Turned text is left out: its box is not its form."""
    pairs = []
    for (one, a), (other, b) in combinations(drawn(figure), 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        if width > TOUCH and height > TOUCH:
            pairs.append((one[:40], other[:40]))
    return pairs


def outside(figure):
    """Texts that leave the figure."""
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text[:40]
        for text, box in drawn(figure)
        if box.x0 < -TOUCH or box.y0 < -TOUCH or box.x1 > width + TOUCH or box.y1 > height + TOUCH
    ]
