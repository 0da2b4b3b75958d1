"""A report as a strict HTML parser reads it: any parse error fails the test."""

import json
from collections.abc import Iterator
from typing import Any

import html5lib

Element = Any


class Parsed:
    """The tree of a report."""

    def __init__(self, text: str) -> None:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        self.root: Element = parser.parse(text)
        for each in self.elements():
            each.tag = each.tag.rpartition("}")[2]  # SVG stands in a namespace of its own

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [
            each
            for each in self.root.iter(tag)
            if all(each.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    def ids(self) -> list[str]:
        return [each.get("id") for each in self.root.iter() if each.get("id")]

    def lines(self, table: str) -> list[list[str]]:
        """Texts of the body of the table of that id."""
        body = self.one("table", id=table).find("tbody")
        return [[text(cell) for cell in row] for row in body]

    def heads(self, table: str) -> list[str]:
        """Texts of all heads of the table of that id."""
        return [text(each) for each in self.one("table", id=table).find("thead").iter("th")]

    def samples(self) -> list[dict[str, Any]]:
        return json.loads(self.one("script", id="samples-data").text)

    def elements(self) -> Iterator[Element]:
        return (each for each in self.root.iter() if isinstance(each.tag, str))


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
