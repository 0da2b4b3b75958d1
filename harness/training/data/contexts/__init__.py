"""Kinds of context: what in an image decides between classes that look alike.

One rule holds for all (`harness.training.data.contexts.rule`); the kinds differ in what they place:

- `scene`: one key. Knowing that it is there, anywhere, suffices: global pooling.
- `nearest`: several keys, as many of each variant; the nearest decides. A pool over positions is
  the same in every image, so that a relation between positions is needed.
- `enclosing`: as many rings of each variant; the one around a region decides.
- `category`: as many keys of each variant, each of a tint of its own, drawn anew for every image; a
  region's class is that of the key of its tint: a relation between contents, whatever the distance.
"""

from collections.abc import Callable

from harness.training.data.contexts import category, enclosing, nearest, scene
from harness.training.data.contexts.rule import Thing
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters

Place = Callable[[SceneParameters, Draw], list[Thing] | None]
"""Places the things of one image; `None` where one that must be there has no room."""

PLACES: dict[str, Place] = {
    "scene": scene.place,
    "nearest": nearest.place,
    "enclosing": enclosing.place,
    "category": category.place,
}
