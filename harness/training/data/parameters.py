"""The parameters of `scenes`: size, classes, difficulty, and which context decides."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from harness.training.data.dataset import DataError, Split
from harness.wording import suggest

KINDS = ("scene", "nearest", "enclosing", "category")
"""Kinds of context, in the order that samples store; see `harness.training.data.contexts`."""

MAX_TEXTURES = 9
MAX_VARIANTS = 4

# Raised when the same parameters would give other samples than before.
_GENERATOR = 1


@dataclass(frozen=True)
class SceneParameters:
    """What determines a split of `scenes`.

    Attributes:
        size: height and width of an image in pixels (one number: both).
        textures: number of textures; regions of one texture look alike whatever their class.
        variants: classes that share a texture, which only context tells apart.
        context: share of each kind of context among the images; given as weights, or as one name:
            that kind alone.
        regions: most textured regions per image; fewer where no more fit.
        region_size: shortest and longest side of a region in pixels.
        keys: keys of each variant per image where several keys stand in it.
        key_size: side of a key in pixels.
        ring_width: width of the line that encloses a region, in pixels.
        gap: a window of this radius around a region's pixel shows no part of any key or ring.
        margin: by how many pixels the nearest key is nearer than any of another variant.
        contrast: amplitude of the textures, of a range of 1.
        noise: standard deviation of independent noise per pixel and channel, of a range of 1.
        train: images of the training split.
        val: images of the validation split.
        seed: of everything random.
    """

    size: tuple[int, int] = (64, 64)
    textures: int = 3
    variants: int = 2
    context: Mapping[str, float] = field(
        default_factory=lambda: dict.fromkeys(KINDS, 1 / len(KINDS))
    )
    regions: int = 8
    region_size: tuple[int, int] = (8, 14)
    keys: int = 1
    key_size: int = 9
    ring_width: int = 3
    gap: int = 7
    margin: int = 6
    contrast: float = 0.2
    noise: float = 0.03
    train: int = 2000
    val: int = 400
    seed: int = 0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "SceneParameters":
        """Parameters from plain JSON values.

        Raises:
            DataError: an unknown key, or a value that no image can have.
        """
        known = {f.name: f.default for f in fields(cls)}
        for name in given:
            if name not in known:
                cure = suggest(name, known, "parameters")
                raise DataError(f"scenes has no parameter {name!r}: {cure}")
        values = dict(given)
        if "size" in values:
            values["size"] = _two_integers("size", values["size"], alone=True)
        if "region_size" in values:
            values["region_size"] = _two_integers("region_size", values["region_size"])
        if "context" in values:
            values["context"] = _weights(values["context"])
        for name, default in known.items():
            if name in values and isinstance(default, int | float):
                values[name] = _number(name, values[name], type(default))
        made = cls(**values)
        made._check()
        return made

    @property
    def classes(self) -> tuple[str, ...]:
        """Names: the ground, one key per variant, then the variants of each texture in turn."""
        letters = "abcd"[: self.variants]
        return (
            "ground",
            *(f"key {v}" for v in letters),
            *(f"texture {t + 1}{v}" for t in range(self.textures) for v in letters),
        )

    def length(self, split: Split) -> int:
        """Number of images of a split."""
        return self.train if split == "train" else self.val

    def version(self, split: Split) -> str:
        """Hash of all that determines the samples of a split, the generator's own edition too."""
        values = asdict(self)
        for other in ("train", "val"):
            del values[other]
        values |= {"generator": _GENERATOR, "split": split, "length": self.length(split)}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def _check(self) -> None:
        _within("textures", self.textures, 1, MAX_TEXTURES)
        _within("variants", self.variants, 2, MAX_VARIANTS)
        for name in ("regions", "keys", "train", "val", "ring_width", "margin"):
            _within(name, getattr(self, name), 1, 10**9)
        for name in ("gap", "seed"):
            _within(name, getattr(self, name), 0, 2**63 - 1)
        _within("key_size", self.key_size, 3, 10**9)
        _within("region_size", self.region_size[0], 3, self.region_size[1])
        _within("contrast", self.contrast, 0.01, 0.3)
        _within("noise", self.noise, 0, 1)
        _within("size", min(self.size), self.region_size[0] + self.key_size + self.gap, 2**14)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise DataError(f"{name} of scenes is {value}; give a value from {least} to {most}")


def _number(name: str, value: Any, kind: type) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int and not whole:
        raise DataError(f"{name} of scenes is {value!r}; give an integer")
    if kind is float and not (whole or isinstance(value, float)):
        raise DataError(f"{name} of scenes is {value!r}; give a number")
    return kind(value)


def _two_integers(name: str, value: Any, *, alone: bool = False) -> tuple[int, int]:
    both = [value, value] if alone and isinstance(value, int) else value
    if isinstance(both, list | tuple) and len(both) == 2:
        return _number(name, both[0], int), _number(name, both[1], int)
    raise DataError(f"{name} of scenes is {value!r}; give two integers")


def _weights(given: Any) -> dict[str, float]:
    """Shares of the kinds in use, in the order of `KINDS`, so that equal mixes hash alike."""
    named = {given: 1.0} if isinstance(given, str) else given
    if not isinstance(named, Mapping) or not named:
        raise DataError(f"context of scenes is {given!r}; name a kind, or give kinds their weights")
    for name, weight in named.items():
        if name not in KINDS:
            cure = suggest(str(name), KINDS, "kinds")
            raise DataError(f"scenes has no context {name!r}: {cure}")
        if not 0 <= _number(f"context.{name}", weight, float) < float("inf"):
            raise DataError(f"context.{name} of scenes is {weight}; give a weight of at least 0")
    total = sum(named.values())
    if total <= 0:
        raise DataError("all contexts of scenes have weight 0; give one of them more")
    return {kind: named[kind] / total for kind in KINDS if named.get(kind, 0) > 0}
