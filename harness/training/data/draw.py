"""Random choices of a scene, from one stream per sample."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Draw:
    """Choices that depend on their seed alone, never on the machine or on other samples.

    Only uniform numbers of 53 bits are taken from NumPy's generator, whose bit stream is fixed for
    good (NEP 19); its higher distributions may change between versions, so that they are made here.
    """

    def __init__(self, *place: int) -> None:
        import numpy as np

        seed = np.random.SeedSequence(place)
        self._stream = np.random.Generator(np.random.PCG64(seed))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number from `low` to `high`, exclusive."""
        return low + (high - low) * float(self._stream.random())

    def below(self, count: int) -> int:
        """An integer from 0 to `count`, exclusive."""
        return min(count - 1, int(self.uniform() * count))

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, inclusive."""
        return low + self.below(high - low + 1)

    def shuffled(self, items: list[int]) -> list[int]:
        """The items in random order (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def noise(self, shape: tuple[int, ...]) -> "NDArray[np.float32]":
        """Nearly normal noise of mean 0 and standard deviation 1: sums of four uniform numbers.

        Their variance is 4 / 12 (the distribution of Irwin and Hall).
        """
        import numpy as np

        total = self._stream.random((4, *shape)).sum(0) - 2.0
        return np.asarray(total * 3.0**0.5, dtype=np.float32)
