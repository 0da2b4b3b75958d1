"""Pictures: matplotlib's SVG as elements of one page, which share their letters and colours."""

import re
import xml.etree.ElementTree as ET

from harness.present.report.colours import dark

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_GROUND = "#ffffff"


class Pictures:
    """The pictures of one page.

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
            svg: the file.
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
        return _text(root)

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
        content = _text(path)
        if content not in self._names:
            name = f"shape-{len(self._names)}"
            self._names[content] = name
            path.set("id", name)
            self._shared[name] = _text(path)
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
        for name in ("d", "x", "y"):
            if (value := element.get(name)) is not None:
                element.set(name, " ".join(_LONG_NUMBER.sub(_rounded, value).split()))
        element.tail = element.text = None

    def _coloured(self, found: re.Match[str]) -> str:
        colour = found[0].lower()
        if colour == _GROUND:
            return "var(--surface)"
        self._colours[colour] = None
        return f"var({_property(colour)})"


def _property(colour: str) -> str:
    return f"--plot-{colour[1:]}"


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


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


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode", short_empty_elements=False)
