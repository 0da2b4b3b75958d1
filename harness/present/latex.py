"""LaTeX of a table: booktabs, nothing else to load."""

import re
import unicodedata

from harness.present.cells import Column, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Straight quotes need T1 fonts; typographic ones are safe in every engine.
    '"': "''",
    "`": r"\`{}",
    "[": r"{[}",
    "]": r"{]}",
    "*": r"{*}",
    "–": r"--",
    "×": r"$\times$",
    "±": r"$\pm$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
}


def escape(text: str) -> str:
    """Text that LaTeX prints as it is, on one line; control characters are dropped."""
    line = " ".join(text.split())
    kept = (each for each in line if unicodedata.category(each)[0] != "C")
    return "".join(_ESCAPES.get(each, each) for each in kept)


def number(text: str) -> str:
    """A cell: a signed number gets a real minus or plus, everything else is escaped."""
    return f"${text}$" if re.fullmatch(r"[-+]\d+(\.\d+)?", text) else escape(text)


def latex(table: Table, label: str) -> str:
    r"""A `table` environment for `\usepackage{booktabs}`.

    Args:
        table: what to print.
        label: for `\ref`, without its `tab:`.
    """
    columns = table.shown
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', label)}}}",
        rf"\begin{{tabular}}{{{''.join(column.align[0] for column in columns)}}}",
        r"\toprule",
        *_head(columns),
        r"\midrule",
        *(" & ".join(number(text) for text in line) + r" \\" for line in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.footnotes:
        notes = " \\\\\n".join(escape(line) for line in table.footnotes)
        lines.append("\\par\\smallskip\n\\begin{minipage}{\\linewidth}\\footnotesize")
        lines.append(f"{notes}\n\\end{{minipage}}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _head(columns: tuple[Column, ...]) -> list[str]:
    """One line of heads, or two where columns share a group."""
    if not any(column.group for column in columns):
        return [" & ".join(escape(column.head) for column in columns) + r" \\"]
    upper, rules, start = [], [], 0
    while start < len(columns):
        group = columns[start].group
        end = start + 1
        while group and end < len(columns) and columns[end].group == group:
            end += 1
        if group:
            upper.append(rf"\multicolumn{{{end - start}}}{{c}}{{{escape(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
        else:
            upper.append("")
        start = end
    lower = [escape(column.sub if column.group else column.head) for column in columns]
    return [" & ".join(upper) + r" \\", " ".join(rules), " & ".join(lower) + r" \\"]
