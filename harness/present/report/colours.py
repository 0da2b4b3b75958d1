"""Colours of plots on a dark page: as far from its ground as they are from white."""

import math

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


def contrast(first: str, second: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance of sRGB)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(colour: str) -> Triple:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return red, green, blue


def _oklab(colour: str) -> Triple:
    red, green, blue = _linear(colour)
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
