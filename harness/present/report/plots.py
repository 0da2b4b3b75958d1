"""The plots of one suite as parts of a page: picture, notes, and the numbers behind it."""

import math
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.case import is_number
from harness.judge.part import Part
from harness.messages import HarnessError
from harness.present.notes import setup
from harness.present.plots.canvas import linear_rgb, render
from harness.present.plots.heatmap import COLOURS, INKS, LOST
from harness.present.plots.plot import look, paint
from harness.present.plots.view import View, guide, why
from harness.present.report.tables import Grid, plain
from harness.records.quantities.derived import input_height, intensity
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import ALIASES, axes
from harness.suite.presentation import PlotSpec

_NEUTRAL = 0.03  # chroma below which a colour is a grey
_LIGHTEST, _RANGE = 0.95, 0.72  # lightness of what was black, and how far below it white lies
_CHROMATIC = 0.74  # least lightness of a colour that has a hue

Triple = tuple[float, float, float]


def dark(colour: str) -> str:
    """The counterpart of a colour, `#rrggbb`, on a dark ground.

    Greys change places from black to white; other colours keep their hue and become at least as
    light as they need to be. In OKLab (Ottosson, "A perceptual color space for image processing",
    2020), where equal steps of lightness look equal.
    """
    lightness, a, b = _oklab(colour)
    if math.hypot(a, b) < _NEUTRAL:
        # Squared: greys that can just be read on white can be read on a dark ground, too.
        return _hex((_LIGHTEST - _RANGE * lightness**2, 0.0, 0.0))
    return _hex((max(lightness, _CHROMATIC), a, b))


def _oklab(colour: str) -> Triple:
    red, green, blue = linear_rgb(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _hex(lab: Triple) -> str:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    parts = [min(max(part, 0.0), 1.0) for part in linear]
    encoded = [
        12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055 for part in parts
    ]
    return "#" + "".join(f"{round(255 * part):02x}" for part in encoded)


_CURVE = 3  # values of an axis from which a line says more than bars
_SERIES = 12  # lines that can be told apart


def plot_specs(asked: Sequence[PlotSpec], rows: Sequence[Row]) -> list[PlotSpec]:
    """The plots of a suite: what it asks for first, then what its rows allow, none twice."""
    found = {_plot_key(spec): spec for spec in asked}
    for spec in _allowed(rows):
        found.setdefault(_plot_key(spec), spec)
    return list(found.values())


def _plot_key(spec: PlotSpec) -> tuple[object, ...]:
    ys = tuple(ALIASES.get(name, name) for name in spec.ys)
    if spec.kind == "scatter":  # memory against latency and latency against memory are one plot
        return spec.kind, frozenset((ALIASES.get(spec.x or "", spec.x), *ys))
    return spec.kind, spec.x, ys


def _allowed(rows: Sequence[Row]) -> Iterator[PlotSpec]:
    heights: dict[object, set[int | None]] = {}  # of the input, by module
    for row in rows:
        if "input" in (row.get("factors") or {}):
            heights.setdefault(row.get("module"), set()).add(input_height(row))
    swept = any(len(each) > 1 for each in heights.values())
    costs = [name for name in ("operations", "latency_seconds") if _number_of(rows, name) > 1]
    # The kind of memory that most rows have: of the forward, else of both directions.
    kinds = ("live_peak_bytes", "live_peak_training_bytes")
    memory = max(kinds, key=lambda name: _number_of(rows, name))
    memories = [memory] if _number_of(rows, memory) > 1 else []
    if not swept:
        yield from (PlotSpec(kind="bar", y=name) for name in costs)
    if memories and costs:
        yield PlotSpec(kind="scatter", x=costs[-1], y=memory)
    if any(row.get("latency_seconds") and intensity(row) for row in rows):
        yield PlotSpec(kind="roofline")
    if swept:
        for y in (*costs, *memories):
            yield PlotSpec(kind="line", x="input_height", y=y, series="sweep")
    accuracy = ["miou"] if _number_of(rows, "miou") > 1 else []
    for axis, series in _swept_axes(rows):
        for y in (*accuracy, *costs[:1]):
            yield PlotSpec(kind="line", x=f"factors.{axis}", y=y, series=series)


def _number_of(rows: Sequence[Row], name: str) -> int:
    return sum(row.get(name) is not None for row in rows)


def _swept_axes(rows: Sequence[Row]) -> Iterator[tuple[str, str | None]]:
    """Axes of numbers with enough values, each with the one other axis that splits its rows."""
    swept = [axis for axis in axes(rows) if axis != "input"]
    values: dict[str, list[object]] = {axis: [] for axis in swept}
    for row in rows:
        for axis in swept:
            value = (row.get("factors") or {}).get(axis)
            if value is not None and value not in values[axis]:
                values[axis].append(value)
    for axis in swept:
        others = [each for each in swept if each != axis and len(values[each]) > 1]
        is_curve = len(values[axis]) >= _CURVE and all(map(is_number, values[axis]))
        if is_curve and len(others) <= 1 and all(len(values[o]) <= _SERIES for o in others):
            yield axis, f"factors.{others[0]}" if others else None


_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_GROUND = "#ffffff"
_FIXED = frozenset(
    (*COLOURS, *INKS, LOST)
)  # a scale of colours is read by its order, on any ground


class Pictures:
    """Matplotlib's SVG as elements of one page, which share their letters and colours.

    Ids of several SVG files clash on one page, their style elements hold for all of it, and a file
    knows nothing of dark pages. Here letters and marks stand once for all pictures, other ids are
    numbered, and colours become properties (`--plot-0072b2`) that a dark page sets otherwise.
    """

    def __init__(self) -> None:
        self._shared: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._colours: dict[str, None] = {}
        self._count = 0

    def add(self, svg: bytes, title: str, description: str) -> str:
        """A file of matplotlib as an element.

        Args:
            title: what screen readers announce.
            description: what they read on request.
        """
        self._count += 1
        root = ET.fromstring(svg)
        _forget_namespaces(root)
        renamed = self._share(root)
        for element in root.iter():
            self._clean(element, renamed)
        _drop_repeated(root)
        name = f"picture-{self._count}"
        box = root.get("viewBox", "")
        root.attrib.clear()
        root.attrib |= {
            "viewBox": box,
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-description",
        }
        for number, (tag, text) in enumerate((("title", title), ("desc", description))):
            ending = "title" if tag == "title" else "description"
            child = ET.Element(tag, {"id": f"{name}-{ending}"})
            child.text = text
            root.insert(number, child)
        return _markup(root)

    @property
    def shared(self) -> str:
        """Letters and marks of all pictures, for one place of the page."""
        return "".join(self._shared.values())

    @property
    def colours(self) -> tuple[tuple[str, str, str], ...]:
        """Property, light and dark value of each colour; the ground is the page's own."""
        return tuple((_property(each), each, dark(each)) for each in sorted(self._colours))

    def _share(self, root: ET.Element) -> dict[str, str]:
        """Moves paths to the shared ones, numbers other definitions; old and new ids."""
        renamed: dict[str, str] = {}
        for parent in list(root.iter()):
            for child in list(parent):
                if child.tag in ("metadata", "style"):
                    parent.remove(child)
                elif parent.tag == "defs" and child.tag == "path":
                    own = child.attrib.pop("id")
                    renamed[own] = self._shared_path(child)
                    parent.remove(child)
                elif child.tag == "clipPath":
                    renamed[child.attrib["id"]] = f"clip-{self._count}-{len(renamed)}"
        return renamed

    def _shared_path(self, path: ET.Element) -> str:
        self._clean(path, {})
        content = _markup(path)
        if content not in self._names:
            name = f"shape-{len(self._names)}"
            self._names[content] = name
            path.set("id", name)
            self._shared[name] = _markup(path)
        return self._names[content]

    def _clean(self, element: ET.Element, renamed: dict[str, str]) -> None:
        """Numbered ids, short numbers, colours as properties."""
        own = element.attrib.pop("id", None)
        if own in renamed:
            element.set("id", renamed[own])
        if (target := element.attrib.pop("href", None)) is not None:
            element.set("href", f"#{renamed[target.removeprefix('#')]}")
        if (clip := element.get("clip-path")) is not None:
            element.set("clip-path", _REFERENCE.sub(lambda m: f"url(#{renamed[m[1]]})", clip))
        if (style := element.get("style")) is not None:
            element.set("style", _COLOUR.sub(self._coloured, style).replace(": ", ":"))

        def rounded(found: re.Match[str]) -> str:
            return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")

        for name in ("d", "x", "y"):
            if (value := element.get(name)) is not None:
                element.set(name, " ".join(_LONG_NUMBER.sub(rounded, value).split()))
        element.tail = element.text = None

    def _coloured(self, found: re.Match[str]) -> str:
        colour = found[0].lower()
        if colour == _GROUND:
            return "var(--surface)"
        if colour in _FIXED:
            return colour
        self._colours[colour] = None
        return f"var({_property(colour)})"


def _property(colour: str) -> str:
    return f"--plot-{colour[1:]}"


def _drop_repeated(root: ET.Element) -> None:
    """Drops paths drawn on themselves: caps of narrow intervals, thousands in a large plot."""
    for parent in root.iter():
        before: dict[str, str] | None = None
        for child in list(parent):
            is_opaque = child.tag == "path" and "opacity" not in child.get("style", "")
            if is_opaque and child.attrib == before:
                parent.remove(child)
            before = child.attrib if is_opaque else None


def _forget_namespaces(root: ET.Element) -> None:
    """HTML knows SVG's names without any."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if "}" in name:
                element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _markup(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode", short_empty_elements=False)


MOST_DRAWN_BARS = 120
"""Bars beyond which a picture is longer than anybody scrolls; the table can be sorted instead."""

_KIND_NAMES = {
    "bar": "Bar plot",
    "scatter": "Scatter plot",
    "line": "Line plot",
    "roofline": "Roofline",
    "heatmap": "Heat map",
}


@dataclass(frozen=True)
class Plot:
    """One plot."""

    title: str  # heading
    svg: str  # the picture, or nothing where the notes say why there is none
    notes: tuple[str, ...]  # below it
    data: Grid | None  # what it shows, as a table


def plots_of(part: Part, rows: Sequence[Row], pictures: Pictures, name: str) -> list[Plot]:
    """The plots that a suite asks for, and those that its rows allow.

    Machine and versions, which all plots share, are said once elsewhere.

    Args:
        name: beginning of the ids.
    """
    found = []
    for number, spec in enumerate(plot_specs(part.plots, rows), 1):
        is_asked = spec in part.plots
        try:
            view = look(spec, part, rows)
        except HarnessError as error:
            if is_asked:
                found.append(Plot(spec.title or spec.kind, "", (f"Not drawn: {error}.",), None))
            continue
        if view.rows or is_asked:
            found.append(_drawn(view, part, pictures, f"{name}-data-{number}"))
    return found


def _drawn(view: View, part: Part, pictures: Pictures, name: str) -> Plot:
    # Without the suite's title, which stands above it.
    title = view.title.removeprefix(f"{part.title or part.name}: ")
    title = title[:1].upper() + title[1:]
    if not view.rows:
        heads = " and ".join(dict.fromkeys(reading.name for reading in view.readings))
        return Plot(title, "", (f"Nothing to draw: no case has values of {heads}.",), None)
    data = _data_grid(view, name, title)
    if view.spec.kind == "bar" and len(view.rows) > MOST_DRAWN_BARS:
        note = f"Not drawn: {len(view.rows):,} bars. The table of the suite sorts by any column."
        return Plot(title, "", (note,), data)
    with warnings.catch_warnings():  # letters that the plots' font lacks become boxes
        warnings.simplefilter("ignore", UserWarning)
        drawn = render(paint(replace(view, title="", notes=())), "svg")
    known = setup(view.every)  # said once above the suite's tables
    notes = tuple(note for note in view.notes if note not in known)
    heads = ", ".join(dict.fromkeys(reading.head for reading in view.readings))
    lost = f"; {len(view.lost)} without a value" if view.lost else ""
    cases = "1 case" if len(view.rows) == 1 else f"{len(view.rows)} cases"
    kind = _KIND_NAMES[view.spec.kind]
    description = f"{kind} of {heads}: {cases}{lost}. The numbers follow as a table."
    return Plot(title, pictures.add(drawn, title, description), notes, data)


def _data_grid(view: View, name: str, title: str) -> Grid:
    """The numbers of a plot, rows without any in their places with the reason."""
    readings = view.readings
    bounded = [any(each.interval(row) is not None for row in view.rows) for each in readings]
    heads = ["Label", *([view.series.head] if view.series else [])]
    for reading, has_interval in zip(readings, bounded, strict=True):
        heads += [reading.head, *([f"{reading.name}, interval"] if has_interval else [])]
    front, lost = _front_rows(view), {id(row) for row in view.lost}
    heads += ["Pareto front"] if front else []
    heads += ["Why not shown"] if lost else []
    lines = []
    for row in view.every:
        line: list[str | None] = [str(row.get("label"))]
        line += [view.series.text(row)] if view.series else []
        for reading, has_interval in zip(readings, bounded, strict=True):
            line.append(reading.text(row))
            if has_interval:
                ends = reading.interval(row)
                line.append(None if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}")
        line += ["yes" if id(row) in front else "no"] if front else []
        line += [why(row, readings) if id(row) in lost else None] if lost else []
        lines.append(line)
    return plain(name, f"Data: {title}", heads, lines)


def _front_rows(view: View) -> set[int]:
    """Identities of the rows on the Pareto front of a scatter plot."""
    if view.spec.kind != "scatter" or view.x is None:
        return set()
    points = [(view.x.ours(row) or 0.0, view.y.ours(row) or 0.0) for row in view.rows]
    line = guide(view.x, view.y, points)
    return set() if line is None else {id(view.rows[index]) for index in line.members}
