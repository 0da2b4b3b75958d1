"""Noises of machines, simulated: what the gate and other rules are tried on.

Each noise gives one machine after another: the logarithms of how much longer than usual each of its
processes takes, in the order in which they run. Phases and levels at the start are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Levels]
"""Makes the levels of so many processes of one machine."""

_SLIGHT = 0.003
"""Standard deviation that processes have beside what a noise is named after."""

_LIMIT = 5.0
"""Levels beyond are cut off: a process that takes 150 times as long is ended by its timeout."""


@dataclass(frozen=True)
class Noise:
    """What makes processes of the same code differ."""

    name: str  # with its size, for people
    levels: Draw
    # whether neighbours in time are alike, or most processes are: a difference must be found then
    quiet: bool = True
    tick: float = 0.0  # of the clock, as a share of a usual latency; 0 for a fine one


def _normal(size: float) -> Draw:
    return lambda draw, n: draw.normal(0, size, n)


def _beside(levels: Draw) -> Draw:
    return lambda draw, n: levels(draw, n) + draw.normal(0, _SLIGHT, n)


def _autoregressive(rho: float, size: float) -> Draw:
    """Each level is rho times the one before, and what keeps the standard deviation at `size`."""

    def levels(draw: np.random.Generator, n: int) -> Levels:
        made = draw.normal(0, size, n)
        made[1:] *= (1 - rho**2) ** 0.5
        for i in range(1, n):
            made[i] += rho * made[i - 1]
        return made

    return levels


def _walk(step: float) -> Draw:
    return lambda draw, n: np.cumsum(draw.normal(0, step, n))


def _drift(step: float) -> Draw:
    return lambda draw, n: draw.choice((-step, step)) * np.arange(n)


def _bursts(start: float, length: float, factor: float) -> Draw:
    """Another process loads the machine now and then, and leaves after a few of ours."""

    def levels(draw: np.random.Generator, n: int) -> Levels:
        met = np.zeros(n)
        for begin in np.flatnonzero(draw.random(n) < start):
            met[begin : begin + draw.geometric(1 / length)] = np.log(factor)
        return met

    return levels


def _student(freedom: float, size: float) -> Draw:
    return lambda draw, n: np.clip(size * draw.standard_t(freedom, n), -_LIMIT, _LIMIT)


def _longer(sample: Draw, size: float) -> Draw:
    """Nothing is faster than usual, and some is slower, by `size` times what is drawn."""
    return lambda draw, n: np.minimum(np.log1p(size * sample(draw, n)), _LIMIT)


def _modes(apart: float, switch: float) -> Draw:
    """Two speeds, half of the time each; `switch`: probability of the other one than before."""

    def levels(draw: np.random.Generator, n: int) -> Levels:
        switches = draw.random(n) < switch
        switches[0] = draw.random() < 0.5
        made: Levels = np.log1p(apart) * (np.cumsum(switches) % 2)
        return made

    return levels


def _sine(period: float, size: float) -> Draw:
    return lambda draw, n: size * np.sin(2 * np.pi * _phases(draw, n, period))


def _square(period: float, size: float) -> Draw:
    return lambda draw, n: size * np.where(_phases(draw, n, period) % 1 < 0.5, 1.0, -1.0)


def _phases(draw: np.random.Generator, n: int, period: float) -> Levels:
    return np.arange(n) / period + draw.random()


def _clock_steps(change: float, processes: float, step: float) -> Draw:
    """A chip that warms up (positive) or cools down, and sets its clock in steps."""

    def levels(draw: np.random.Generator, n: int) -> Levels:
        done = 1 - np.exp(-(draw.uniform(0, processes) + np.arange(n)) / processes)
        made: Levels = step * np.round(change * done / step)
        return made

    return levels


NOISES = (
    Noise("normal 1 %", _normal(0.01)),
    Noise("normal 3 %", _normal(0.03)),
    *(Noise(f"AR(1) {rho:g}, 3 %", _autoregressive(rho, 0.03)) for rho in (0.5, 0.9, 0.99)),
    Noise("random walk 0.5 %", _walk(0.005)),
    Noise("linear drift 0.2 %", _beside(_drift(0.002))),
    Noise("bursts of 60 %", _beside(_bursts(0.02, 3, 1.6))),
    Noise("Student t2, 1 %", _student(2, 0.01)),
    Noise("Student t1, 1 %", _student(1, 0.01)),
    Noise("Pareto 1.1, 1 %", _longer(lambda draw, n: draw.pareto(1.1, n), 0.01)),
    Noise("exponential 3 %", _longer(lambda draw, n: draw.exponential(1, n), 0.03)),
    Noise("coarse clock 1 %", _normal(0.01), tick=0.01),
    Noise("warming GPU, steps of 1 %", _beside(_clock_steps(0.08, 100, 0.01))),
    Noise("cooling GPU, steps of 1 %", _beside(_clock_steps(-0.08, 100, 0.01))),
    Noise("sticky modes 10 %", _beside(_modes(0.10, 0.05))),
    Noise("even modes 10 %", _beside(_modes(0.10, 0.5)), quiet=False),
    Noise("even modes 5 %", _beside(_modes(0.05, 0.5)), quiet=False),
    *(
        Noise(f"sine 5 %, period {period:g}", _beside(_sine(period, 0.05)), quiet=False)
        for period in (2, 2.5, 3, 4, 4.2, 4.5, 5, 6, 7.3, 8, 10, 12)
    ),
    *(
        Noise(f"square 5 %, period {period:g}", _beside(_square(period, 0.05)), quiet=False)
        for period in (4, 8, 12)
    ),
)
"""Steps, drifts and periods are counted in processes."""
