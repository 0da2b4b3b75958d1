"""What every data set answers, and the names under which one is opened."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from harness.messages import HarnessError, suggest
from harness.suite.recipe import DataName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


Split = Literal["train", "val"]

VOID = 255
"""Label of pixels that belong to no class: neither trained on nor counted."""


class DataError(HarnessError):
    """A data set is missing, laid out in another way, damaged, or asked for what it cannot give."""


@dataclass(frozen=True)
class Sample:
    """One labelled image."""

    image: "Tensor"  # (3, H, W), float32, RGB in [0, 1]
    labels: "Tensor"  # (H, W), int64: index into `SegmentationData.classes`, or `VOID`


class SegmentationData(Protocol):
    """One split of a data set; the same index gives the same sample always and everywhere."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a label is an index into them."""

    @property
    def version(self) -> str:
        """Hash of everything that determines the samples."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """The sample at an index from 0 to the length, exclusive."""


def open_data(
    name: str,
    split: Split,
    *,
    root: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> SegmentationData:
    """One split of a data set.

    Args:
        name: one of `DataName`.
        split: `train` or `val`.
        root: the folder of a real data set, as its publishers lay it out, or one that holds it
            under its name; for `scenes` the folder that caches generated splits (`None`: the user's
            cache folder).
        parameters: keyword arguments of the data set, plain JSON values (for `scenes` the fields of
            `harness.training.data.draw.SceneParameters`).

    Raises:
        DataError: unknown name, split or parameter, or a folder that is not laid out as expected.
    """
    if name not in (names := get_args(DataName)):
        raise DataError(f"no data set is called {name!r}: {suggest(name, names, 'data sets')}")
    if split not in get_args(Split):
        raise DataError(f"the splits of data are train and val, not {split!r}")
    opened: SegmentationData = import_module(f"harness.training.data.{name}").open_split(
        split, root, dict(parameters or {})
    )
    return opened


Pair = tuple[Path, Path]
"""An image and its labels."""


class Layout:
    """Where a data set lies, and how its publishers lay it out.

    Args:
        name: of the data set, for messages.
        expected: one line: what lies where below the root.
        root: as given by the user.
        inside: folder names in which the archives may have been unpacked, here or in a folder that
            is called as the data set; the first is used that holds one of `required`.
        required: paths below it, one of which must exist.

    Raises:
        DataError: no root, no such folder, or none of the required paths.
    """

    def __init__(
        self,
        name: str,
        expected: str,
        root: Path | None,
        *,
        inside: Sequence[str] = (".",),
        required: Sequence[str],
    ) -> None:
        self.name, self.expected = name, expected
        if root is None:
            raise DataError(f"{name} needs its folder; give it with --data-root ({expected})")
        if not root.is_dir():
            raise self.wrong(f"there is no folder {root}")
        for folder in (*inside, *(f"{name}/{each}" for each in inside)):
            if any((root / folder / path).exists() for path in required):
                self.root = root / folder
                return
        one = len(required) == 1
        lacks = f"{required[0]} is not" if one else f"neither of {', '.join(required)} is"
        raise self.wrong(f"{root} is laid out in another way: {lacks} there")

    def wrong(self, what: str) -> DataError:
        """The error that says what is not as expected."""
        return DataError(f"{self.name}: {what} ({self.expected})")

    def folder(self, path: str) -> Path:
        """A folder that must exist below the root."""
        found = self.root / path
        if not found.is_dir():
            raise self.wrong(f"the folder {found} is missing")
        return found

    def files(self, folder: Path, glob: str) -> list[Path]:
        """All files of a kind, in order of their names; at least one."""
        found = sorted(folder.glob(glob))
        if not found:
            raise self.wrong(f"{folder} holds no {glob}")
        return found

    def names(self, path: Path) -> list[str]:
        """The first word of each line of a list of images."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not a text"
            raise self.wrong(f"cannot read the list {path}: {why}") from error
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise DataError(f"{self.name}: the list {path} is empty")
        return names

    def complete(self, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
        """The pairs, when each of their files exists."""
        found = tuple(pairs)
        missing = [path for pair in found for path in pair if not path.is_file()]
        if missing:
            rest = f" and {len(missing) - 1} other files are" if len(missing) > 1 else " is"
            raise self.wrong(f"{missing[0]}{rest} missing")
        return found


def listed(text: str) -> tuple[str, ...]:
    """The names of a list with commas between them, over any number of lines."""
    return tuple(" ".join(name.split()) for name in text.split(","))


def options(name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A data set's parameters, with defaults for those that are not given.

    Raises:
        DataError: a name that is no parameter of it.
    """
    for key in given:
        if key not in defaults:
            cure = suggest(key, defaults, "parameters")
            raise DataError(f"{name} has no parameter {key!r}: {cure}")
    return {**defaults, **given}


def read_rgb(path: Path) -> "NDArray[np.uint8]":
    """(H, W, 3), 8 bits.

    Raises:
        DataError: the file is missing, damaged, or no image.
    """
    return _pixels(path, "RGB")


def read_indices(path: Path) -> "NDArray[np.integer[Any]]":
    """(H, W): the value of each pixel of a grey or indexed image.

    Raises:
        DataError: the file is missing, damaged, no image, or an image of several channels.
    """
    values = _pixels(path, None)
    if values.ndim != 2:
        raise DataError(f"{path} has colours where one label per pixel was expected")
    return values


def read_matlab(path: Path, variable: str) -> "NDArray[np.integer[Any]]":
    """(H, W): a matrix of a MATLAB file.

    Raises:
        DataError: SciPy is missing, or the file is missing, damaged or without the variable.
    """
    import numpy as np

    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DataError(
            f'reading {path.name} needs SciPy: pip install "context-harness[data]"'
        ) from error
    try:
        content = loadmat(path, variable_names=[variable])
    # A damaged file raises whatever the reader of its parts raises.
    except Exception as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if variable not in content or np.ndim(content[variable]) != 2:
        raise DataError(f"{path} holds no matrix {variable}")
    return np.asarray(content[variable]).astype(np.int64)


def _pixels(path: Path, mode: str | None) -> "NDArray[Any]":
    import numpy as np

    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("reading images needs Pillow: pip install pillow") from error
    try:
        with Image.open(path) as file:
            return np.asarray(file if mode is None else file.convert(mode))
    # Pillow raises OSError for most, SyntaxError and ValueError for some damaged files.
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"cannot read the image {path}: {error}") from error


Decode = Callable[[Path], "NDArray[np.uint8]"]
"""Reads a file of labels: (H, W), an index into the classes or `VOID`."""

_EDITION = 1  # raised when the same files would give other samples than before


class PairedImages:
    """One split of a real data set, read from disk sample by sample.

    `version` is a hash of the names and sizes of all files and of the classes; it does not read the
    files' contents (tens of gigabytes), so that a file replaced by one of the same size goes
    unnoticed.

    Args:
        name: of the data set.
        classes: names in the order of the labels.
        root: what file names are relative to in the hash.
        pairs: image and labels of each sample.
        decode: reads the labels.
        mapping: whatever else decides what `decode` returns, plain JSON values.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        root: Path,
        pairs: Sequence[Pair],
        *,
        decode: Decode,
        mapping: Any = None,
    ) -> None:
        self.name = name
        self.classes = tuple(classes)
        digest = hashlib.sha256(json.dumps([_EDITION, name, self.classes, mapping]).encode())
        for path in chain.from_iterable(pairs):
            relative = path.relative_to(root).as_posix()
            digest.update(f"\n{relative}\t{path.stat().st_size}".encode())
        self.version = digest.hexdigest()[:16]
        self._pairs = tuple(pairs)
        self._decode = decode

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        import torch

        image_path, label_path = self._pairs[index]
        image, labels = read_rgb(image_path), self._decode(label_path)
        if image.shape[:2] != labels.shape:
            sizes = " and ".join(f"{h} x {w}" for h, w in (image.shape[:2], labels.shape))
            raise DataError(f"{image_path} and {label_path} differ in size: {sizes} pixels")
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).contiguous()
        return Sample(pixels.float().div_(255), torch.from_numpy(labels.astype("int64")))


class Lookup:
    """Reads labels whose values stand for classes by a table, or for none (`void`)."""

    def __init__(
        self,
        classes: Mapping[int, int],
        void: Sequence[int] = (),
        read: "Callable[[Path], NDArray[np.integer[Any]]]" = read_indices,
    ) -> None:
        import numpy as np

        self._read = read
        self._table = np.full(max([*classes, *void]) + 1, -1, dtype=np.int16)
        self._table[list(void)] = VOID
        for value, index in classes.items():
            self._table[value] = index

    def __call__(self, path: Path) -> "NDArray[np.uint8]":
        """(H, W) classes of a file.

        Raises:
            DataError: the file cannot be read, or a value in it is no label of the data set.
        """
        import numpy as np

        values = self._read(path)
        known = (values >= 0) & (values < len(self._table))
        classes = self._table[np.where(known, values, 0)]
        known &= classes >= 0
        if not known.all():
            raise DataError(f"{path}: {int(values[~known][0])} is no label of this data set")
        return classes.astype(np.uint8)
