"""A slot: the part of a machine that one case has for itself."""

import os
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """What a case's process is confined to; `None` leaves it as it is.

    Attributes:
        cores: logical ones that its threads run on.
        gpu: index or UUID of the only GPU that it sees, as `CUDA_VISIBLE_DEVICES` takes it.
    """

    cores: tuple[int, ...] | None = None
    gpu: str | None = None

    def confine(self) -> None:
        """Confine this process; before CUDA is initialised, and before it starts threads."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        if self.cores and hasattr(os, "sched_setaffinity"):  # Linux only
            with suppress(OSError):  # a container may hold fewer cores than the machine has
                os.sched_setaffinity(0, self.cores)


ANYWHERE = Slot()
