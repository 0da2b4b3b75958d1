"""What things look like: patterns that survive mirroring, a tint, independent noise.

A region's look depends on its texture, its tint and its phase, and on nothing else: its variant is
no argument of anything here that paints it.
"""

from typing import TYPE_CHECKING

from harness.training.data.contexts.rule import Thing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Wavelengths in pixels: far enough apart to be told by a window of 7 pixels, all above the 2 pixels
# below which a grid cannot show them. Three patterns of each make `parameters.MAX_TEXTURES`.
WAVELENGTHS = (3.0, 5.0, 8.0)

# Mean brightness; keys are brighter, so that they are known by sight whatever their texture.
GROUND, REGION, KEY = 0.35, 0.5, 0.65

# Length of the coloured part of a tint, at right angles to grey.
CHROMA = 0.15
_AXES = ((0.7071, -0.7071, 0.0), (0.4082, 0.4082, -0.8165))


def pattern(
    index: int, shape: tuple[int, int], phase: tuple[float, float]
) -> "NDArray[np.float32]":
    """(H, W) in [-1, 1]: rows, columns or a chequered field, by wavelength.

    A mirrored pattern is the same pattern at another phase, so that mirroring an image, as training
    does, changes no texture into another.

    Args:
        index: from 0 to 8: three patterns at the first wavelength, three at the next, ...
        shape: (H, W) in pixels.
        phase: of the wave down and of the wave across, as shares of a period.
    """
    import numpy as np

    wave, kind = 2 * np.pi / WAVELENGTHS[index // 3], index % 3
    down = np.cos(wave * np.arange(shape[0]) + 2 * np.pi * phase[0])[:, None]
    across = np.cos(wave * np.arange(shape[1]) + 2 * np.pi * phase[1])[None, :]
    field = (down * np.ones_like(across), np.ones_like(down) * across, down * across)[kind]
    return np.asarray(field, dtype=np.float32)


def look(thing: Thing, phase: tuple[float, float], contrast: float) -> "NDArray[np.float32]":
    """(h, w, 3): the colours of a thing over its box."""
    import numpy as np

    shows = thing.form != "region"
    index = thing.variant if shows else thing.texture
    wave = pattern(index, (thing.box.height, thing.box.width), phase)
    angle = 2 * np.pi * thing.tint
    colour = np.asarray(_AXES[0]) * np.cos(angle) + np.asarray(_AXES[1]) * np.sin(angle)
    grey = (KEY if shows else REGION) + contrast * wave
    return np.asarray(grey[..., None] + CHROMA * colour, dtype=np.float32)
