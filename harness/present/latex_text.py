"""Text as LaTeX prints it: nothing active, ASCII wherever LaTeX has a command for a character."""

import unicodedata
from itertools import pairwise

_SPECIAL = {
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
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "–": "--",
    "—": "---",
    "‘": "`{}",
    "’": "'{}",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "§": r"\S{}",
    "©": r"\textcopyright{}",
}

_MATH = {
    "×": r"\times",
    "±": r"\pm",
    "÷": r"\div",
    "·": r"\cdot",
    "−": "-",
    "°": r"^{\circ}",
    "²": "^{2}",
    "³": "^{3}",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "∞": r"\infty",
    "∈": r"\in",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "⊕": r"\oplus",
    "⊗": r"\otimes",
    "√": r"\surd",
    "µ": r"\mu",
    "ϵ": r"\epsilon",
    "ε": r"\varepsilon",
    "Γ": r"\Gamma",
    "Δ": r"\Delta",
    "Θ": r"\Theta",
    "Λ": r"\Lambda",
    "Ξ": r"\Xi",
    "Π": r"\Pi",
    "Σ": r"\Sigma",
    "Φ": r"\Phi",
    "Ψ": r"\Psi",
    "Ω": r"\Omega",
} | {
    chr(code): f"\\{name}"
    for code, name in zip(
        (*range(0x3B1, 0x3B5), *range(0x3B6, 0x3BF), 0x3C0, 0x3C1, *range(0x3C3, 0x3CA)),
        (
            *("alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "iota", "kappa"),
            *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi"),
            *("chi", "psi", "omega"),
        ),
        strict=True,
    )
}

# Two of them in a row would become a dash or quotes.
_LIGATURES = "-',"

_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}

CHARACTER = r"\harnesschar"
"""Prints a character that pdfTeX's fonts lack where the engine knows Unicode, else its code."""

DEFINITION = (
    rf"\providecommand{{{CHARACTER}}}[2]"
    r"{\ifdefined\Umathchar #1\else\texttt{U+#2}\allowbreak\fi}"
)


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is, on one line; control characters are dropped.

    What neither ASCII nor a command of LaTeX covers is `\harnesschar{character}{code}`, which
    needs `DEFINITION`.
    """
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    kept = [each for each in line if unicodedata.category(each)[0] != "C"]
    made = [_character(each) for each in kept]
    for index, each in enumerate(kept):
        if each == '"' and (index == 0 or kept[index - 1] in " (["):
            made[index] = "``"
    for index, (each, following) in enumerate(pairwise(kept)):
        if each == following and each in _LIGATURES:
            made[index] += "{}"
    return "".join(made)


def _character(each: str) -> str:
    if each in _SPECIAL:
        return _SPECIAL[each]
    if each in _MATH:
        return f"${_MATH[each]}$"
    if each.isascii():
        return each
    base, *marks = list(unicodedata.normalize("NFD", each))
    if len(marks) == 1 and base.isascii() and base.isalpha() and marks[0] in _ACCENTS:
        # An accent stands above the dot of i and j only where that dot is gone.
        above = marks[0] != "\u0327"
        letter = {"i": r"\i", "j": r"\j"}.get(base, base) if above else base
        return f"\\{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"{CHARACTER}{{{each}}}{{{ord(each):04X}}}"
