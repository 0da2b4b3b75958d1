"""A data set of image files, each with a file of labels."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.training.data.dataset import VOID, DataError, Sample
from harness.training.data.layout import Pair
from harness.training.data.picture import read_indices, read_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decode = Callable[[Path], "NDArray[np.uint8]"]
"""Reads a file of labels: (H, W), an index into the classes or `VOID`."""

# Raised when the same files would give other samples than before.
_EDITION = 1


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
        self.version = _version(name, self.classes, root, pairs, mapping)
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
    """Reads labels whose values stand for classes, by a table.

    Args:
        classes: the class of each value that stands for one.
        void: values that stand for none.
        read: reads the values of a file.
    """

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


def _version(
    name: str, classes: Sequence[str], root: Path, pairs: Sequence[Pair], mapping: Any
) -> str:
    digest = hashlib.sha256(json.dumps([_EDITION, name, classes, mapping]).encode())
    for pair in pairs:
        for path in pair:
            relative = path.relative_to(root).as_posix()
            digest.update(f"\n{relative}\t{path.stat().st_size}".encode())
    return digest.hexdigest()[:16]
