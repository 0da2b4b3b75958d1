"""Text as LaTeX prints it: escapes, accents, and what its fonts lack."""

import re
import unicodedata
from itertools import pairwise


def _pairs(words: str) -> dict[str, str]:
    """Words that take turns as keys and values."""
    every = words.split()
    return dict(zip(every[::2], every[1::2], strict=True))


# Text as LaTeX prints it: nothing active, ASCII wherever LaTeX has a command for a character.
# Straight quotes need T1 fonts; typographic ones are safe in every engine.
_TEXT = {"\u00a0": "~"} | _pairs(r"""
    \ \textbackslash{}  { \{  } \}  $ \$  & \&  # \#  % \%  _ \_  ^ \textasciicircum{}
    ~ \textasciitilde{}  < \textless{}  > \textgreater{}  | \textbar{}  " ''  ` \`{}  [ {[}
    ] {]}  * {*}  – --  — ---  ‘ `{}  ’ '{}  “ ``  ” ''  … \ldots{}  ß \ss{}  æ \ae{}  Æ \AE{}
    œ \oe{}  Œ \OE{}  ø \o{}  Ø \O{}  ł \l{}  Ł \L{}  ı \i{}  § \S{}  © \textcopyright{}
""")

_MATH = _pairs(r"""
    × \times  ± \pm  ÷ \div  · \cdot  − -  ° ^{\circ}  ² ^{2}  ³ ^{3}  ≤ \leq  ≥ \geq  ≠ \neq
    ≈ \approx  ∞ \infty  ∈ \in  → \rightarrow  ← \leftarrow  ↑ \uparrow  ↓ \downarrow  ⊕ \oplus
    ⊗ \otimes  √ \surd  µ \mu  ϵ \epsilon  ε \varepsilon  Γ \Gamma  Δ \Delta  Θ \Theta  Λ \Lambda
    Ξ \Xi  Π \Pi  Σ \Sigma  Φ \Phi  Ψ \Psi  Ω \Omega  α \alpha  β \beta  γ \gamma  δ \delta
    ζ \zeta  η \eta  θ \theta  ι \iota  κ \kappa  λ \lambda  μ \mu  ν \nu  ξ \xi  π \pi  ρ \rho
    σ \sigma  τ \tau  υ \upsilon  φ \phi  χ \chi  ψ \psi  ω \omega
    ✓ \checkmark  ✗ \times  † \dagger  ‡ \ddagger
""")

# Two of them in a row would become a dash or quotes.
_LIGATURES = "-',"

_ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
        "`'^~=u.\"rHvc",
        strict=True,
    )
)

_LOST = "\ufffd"

CHARACTER = r"\harnesschar"
"""Prints a character that pdfTeX's fonts lack where the engine knows Unicode, else its code."""

DEFINITION = (
    rf"\providecommand{{{CHARACTER}}}[2]"
    r"{\ifdefined\Umathchar #1\else\texttt{U+#2}\allowbreak\fi}"
)
"""Of `CHARACTER`; stands before a text that has it."""

CHECK = r"\checkmark"
"""Of the package amssymb."""


def latex_text(text: str) -> str:
    r"""Text that LaTeX prints as it is, on one line; control characters are dropped.

    What neither ASCII nor a command of LaTeX covers is `\harnesschar{character}{code}`, which
    needs its definition; a check mark needs amssymb.
    """
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    kept = [each for each in line if unicodedata.category(each)[0] != "C"]
    made = [character(each) for each in kept]
    for index, each in enumerate(kept):
        if each == '"' and (index == 0 or kept[index - 1] in " (["):
            made[index] = "``"
    for index, (each, following) in enumerate(pairwise(kept)):
        if each == following and each in _LIGATURES:
            made[index] += "{}"
    return "".join(made)


def character(each: str) -> str:
    """One printable character."""
    if each in _TEXT:
        return _TEXT[each]
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
    # LuaTeX takes the mark of a lost character for one that it cannot decode itself.
    shown = "?" if each == _LOST else each
    return f"{CHARACTER}{{{shown}}}{{{ord(each):04X}}}"


def comment(text: str) -> str:
    """A line that TeX does not read."""
    return f"% {' '.join(text.split())}".replace(_LOST, "?")


_POWER = re.compile(r"\\textasciicircum\{\}(\d+)")


def formula(text: str) -> str:
    """A printed order of growth, such as `O((HW)^2)`, with its powers raised."""
    return _POWER.sub(r"$^{\1}$", latex_text(text))


def cut(text: str, letters: int) -> str:
    """Text in which words of more letters may break."""
    words = []
    for word in text.split():
        pieces = [word[at : at + letters] for at in range(0, len(word), letters)]
        words.append(r"\allowbreak{}".join(map(latex_text, pieces)))
    return " ".join(words)
