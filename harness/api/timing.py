"""Timing what stands in a session: `harness.latency`, and modules for `harness.compare`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from html import escape
from math import floor, log10
from random import Random
from textwrap import fill
from typing import TYPE_CHECKING, Any, get_args

from harness.api.show import PASSES
from harness.case import Cache, Case, Criterion, Job, Pass, Timing, is_number
from harness.instantiate import is_of_session
from harness.judge.relative import Relative, against, factor_text, sentence, times_of
from harness.judge.statistics.decision import LEAST_REPLICATES
from harness.messages import OptionError, suggest
from harness.records.quantities.quantity import Row

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType

    from harness.measure.given import Given
    from harness.measure.passes import TimedPass

NOT_ISOLATED = "in this process: not isolated"


@dataclass(frozen=True, repr=False)
class Latency:
    """The time of one pass."""

    name: str  # of the class or function, or as it was called in a comparison
    seconds: float  # median of the samples
    low_seconds: float  # lower end of its interval
    high_seconds: float  # upper end
    confidence: float  # of the interval; below 0.95 it is the range of too few samples
    samples: tuple[float, ...]  # seconds of each, in order
    flags: tuple[str, ...]  # noisy, throttled, outlier, too few, unmet, unsteady
    warnings: tuple[str, ...]  # sentences for the reader
    conditions: str  # pass, device, type, threads, caches
    place: str = NOT_ISOLATED  # where it ran, in words

    def __repr__(self) -> str:
        count = f"{len(self.samples)} sample{'s' if len(self.samples) > 1 else ''}"
        time, low, high, unit = _in_one_unit(self.seconds, self.low_seconds, self.high_seconds)
        what = "95 % interval" if self.confidence >= 0.95 else "range"
        lines = [
            f"{self.name}: {time} {unit} ({what} {low} to {high} {unit}, {count}), {self.place}",
            self.conditions,
            *(f"warning: {each}" for each in self.warnings),
        ]
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Latencies, each held against the fastest: of this process, or of the rows of a run."""

    latencies: Mapping[str, Latency]  # by name, in the order given
    fastest: str  # name of the one with the shortest median
    relative: Mapping[str, Relative]  # by name, all but the fastest
    how: str  # what was sampled, and where, in words

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One sentence for each but the fastest."""
        return tuple(sentence(self.fastest, name, found) for name, found in self.relative.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the reader, with the name of what they speak of."""
        return tuple(
            f"{name}: {each}" for name, found in self.latencies.items() for each in found.warnings
        )

    def frame(self) -> "pd.DataFrame":
        """A line for each: name, seconds with interval, samples, relative with interval, verdict.

        `relative` is the time over that of the fastest, whose own is 1.
        """
        import pandas as pd

        lines = []
        for name, found in self.latencies.items():
            of = self.relative.get(name)
            lines.append(
                {
                    "name": name,
                    "seconds": found.seconds,
                    "low_seconds": found.low_seconds,
                    "high_seconds": found.high_seconds,
                    "samples": len(found.samples),
                    "relative": of.ratio if of else 1.0,
                    "relative_low": of.low if of else None,
                    "relative_high": of.high if of else None,
                    "verdict": of.verdict if of else "fastest",
                }
            )
        table = pd.DataFrame(lines)
        kinds = {"name": "string", "samples": "Int64", "verdict": "string"}
        return table.astype({str(each): kinds.get(str(each), "Float64") for each in table.columns})

    to_frame = frame
    """The same, as other libraries call it."""

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        """The table, the verdicts, then what a reader must know."""
        from rich.table import Table
        from rich.text import Text

        table = Table("name", header_style="bold")
        for head in ("median", "95 % interval", "relative", "95 % interval"):
            table.add_column(head, justify="right")
        for name, found in self.latencies.items():
            median, low, high, unit = _in_one_unit(
                found.seconds, found.low_seconds, found.high_seconds
            )
            of = self.relative.get(name)
            shown = (factor_text(of.ratio), of.interval.strip("()")) if of else ()
            table.add_row(
                Text(name), f"{median} {unit}", f"{low} to {high} {unit}", *(shown or ("1", ""))
            )
        yield table
        for line in self._lines():
            yield Text(fill(line, options.max_width, subsequent_indent="  "))

    def __repr__(self) -> str:
        from harness.present.console import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self._lines())
        return f"{self.frame().to_html(index=False)}<ul>{lines}</ul>"

    def _lines(self) -> list[str]:
        fastest = self.latencies[self.fastest]
        return [
            *self.verdicts,
            self.how,
            fastest.conditions,
            *(f"warning: {each}" for each in self.warnings),
        ]


def _in_one_unit(median: float, *others: float) -> tuple[str, ...]:
    """Seconds as texts in the unit that suits the first, with its three digits; and the unit."""
    from harness.measure.metric import unit_of_size

    unit = unit_of_size(median, "seconds")
    shown = unit.scale(median)
    decimals = max(0, 2 - floor(log10(shown))) if shown > 0 else 2
    return (*(f"{unit.scale(each):.{decimals}f}" for each in (median, *others)), unit.name)


def latency(
    module: Any,
    /,
    *inputs: Any,
    pass_: Pass = "inference",
    criterion: Criterion = "settled_noise",
    samples: int | None = None,
    min_time: float | None = None,
    max_time: float | None = None,
    relative_stdev: float | None = None,
    cache: Cache = "hot",
    threads: int | None = None,
    **named: Any,
) -> Latency:
    """Time of one pass of a module, in this process, on the device of its inputs.

    Sampled as a case of a suite is: warmed up, stopped by the same rule, the median with its
    interval, the same warnings. It is not isolated as such a case is: what this process holds and
    did before bears on it. The module is afterwards as it was; inputs are copied.

        print(harness.latency(net, image, max_time=2))

    Args:
        module: see `harness.count`.
        inputs: of `forward`, see `harness.count`; values of shapes are drawn from a fixed seed.
        pass_: `inference` (inference mode, eval) or `training` (both directions, train mode).
        criterion: `settled_noise`, `relative_stdev`, `fixed` (so many samples) or `budget` (so many
            seconds).
        samples: how many; the least number for the two criteria of spread (10).
        min_time: seconds of samples that those ask for at least (0.5).
        max_time: seconds after which sampling ends (5; on CUDA 15).
        relative_stdev: standard deviation over mean below which those stop (0.005).
        cache: `hot`, or `cold` (caches emptied before each sample).
        threads: CPU threads while it runs; as they are if absent.
        named: further inputs, passed as they are.

    Raises:
        HarnessError: an option is wrong, or the module cannot be made or does not run on these
            inputs; chained to what was raised.
    """
    from harness.measure.given import given
    from harness.measure.latency import time_subject

    timing = Timing(criterion, samples, min_time, max_time, relative_stdev, cache)
    _check(timing, pass_, threads)
    found = given(module, inputs, named)
    with found.named(), _threads(threads), found.real(pass_) as subject:
        figures = time_subject(subject, _job(subject.case, timing))
        return _latency(found.name, figures, _conditions(subject.case, timing))


def compare_modules(
    modules: Mapping[str, Any],
    /,
    *inputs: Any,
    pass_: Pass = "inference",
    criterion: Criterion = "settled_noise",
    samples: int | None = None,
    min_time: float | None = None,
    max_time: float | None = None,
    relative_stdev: float | None = None,
    cache: Cache = "hot",
    threads: int | None = None,
    seed: int = 0,
    **named: Any,
) -> Comparison:
    """Which of several modules is the fastest, and by how much: see `harness.compare`."""
    timing = Timing(criterion, samples, min_time, max_time, relative_stdev, cache)
    _check(timing, pass_, threads)
    if not isinstance(modules, Mapping) or len(modules) < 2:
        raise OptionError('compare takes two modules or more by name: {"a": a, "b": b}')
    from harness.measure.given import given

    found = [replace(given(each, inputs, named), name=str(n)) for n, each in modules.items()]
    with _threads(threads):
        return _compared(found, pass_, timing, Random(seed))


def _compared(modules: "Sequence[Given]", pass_: Pass, timing: Timing, rng: Random) -> Comparison:
    from harness.measure.latency import pass_of, summary_of
    from harness.measure.sampling import criterion_of, sample_interleaved, wall_budget

    with ExitStack() as stack:
        subjects = []
        for each in modules:
            with each.named():
                subjects.append(stack.enter_context(each.real(pass_)))
        device = subjects[0].case.device
        if any(subject.case.device != device for subject in subjects):
            raise OptionError("the modules are on several devices; move all to one")
        takes = [pass_of(s, _job(s.case, timing), time.perf_counter) for s in subjects]
        sampled = sample_interleaved(
            [_named(*each) for each in zip(modules, takes, strict=True)],
            [criterion_of(timing, device) for _ in takes],
            time.perf_counter,
            wall_budget(timing, device) * len(takes),
            rng,
        )
        latencies = {}
        for subject, take, found in zip(subjects, takes, sampled, strict=True):
            name, conditions = subject.case.module, _conditions(subject.case, timing)
            latencies[name] = _latency(name, summary_of(take, found), conditions)
    return comparison_of(latencies)


def _named(found: "Given", take: "TimedPass") -> Callable[[], float]:
    def run() -> float:
        with found.named():
            return take()

    return run


def comparison_of(latencies: Mapping[str, Latency]) -> Comparison:
    """Each against the fastest.

    Args:
        latencies: by name; the n-th samples of all ran side by side.
    """
    fastest = min(latencies, key=lambda name: latencies[name].seconds)
    relative = against(fastest, {name: found.samples for name, found in latencies.items()})
    count = len(latencies[fastest].samples)
    return Comparison(
        latencies, fastest, relative, f"{count} passes of each, interleaved, {NOT_ISOLATED}"
    )


def compare_rows(rows: Sequence[Row]) -> Comparison:
    """Rows of a run, each against the fastest.

    Raises:
        OptionError: fewer than two of them were timed.
    """
    timed = [row for row in rows if row.get("status") == "ok" and row.get("latency_seconds")]
    if len(timed) < 2:
        raise OptionError(
            f"{len(timed)} of {len(rows)} rows have a latency, and two are compared at least; "
            "measure latency in the suite"
        )
    latencies = {}
    for row in timed:
        count = len(times_of(row))
        place = f"isolated, in {_processes(count)}"
        if is_of_session(str(row["module"])):
            place = NOT_ISOLATED
        conditions = _said(
            str(row["pass"]),
            str(row["device"]),
            str(row["dtype"]),
            int(row["threads"]),
            str(row["latency_cache"]),
        )
        warnings = row["warnings"] if count > 1 else row.get("latency_warnings")
        figures = {**row, "warnings": warnings or ()}
        found = _latency(str(row["label"]), figures, conditions)
        latencies[found.name] = replace(found, samples=tuple(times_of(row)), place=place)
    fastest = min(latencies, key=lambda name: latencies[name].seconds)
    times = {name: found.samples for name, found in latencies.items()}
    paired = not any(row.get("turns") for row in timed)
    least = min(map(len, times.values()))
    how = f"{_processes(least)} of each"
    if least < LEAST_REPLICATES:
        how += (
            f"; from {LEAST_REPLICATES} on they tell rows apart: repeats: 5 in the suite, or "
            "--repeats 5"
        )
    return Comparison(latencies, fastest, against(fastest, times, paired=paired), how)


def _processes(count: int) -> str:
    return f"{count} processes" if count > 1 else "one process"


def _latency(name: str, figures: Mapping[str, Any], conditions: str) -> Latency:
    return Latency(
        name,
        figures["latency_seconds"],
        figures["latency_low_seconds"],
        figures["latency_high_seconds"],
        figures["latency_confidence"],
        tuple(figures["latency_samples_seconds"]),
        tuple(figures["latency_flags"]),
        tuple(figures["warnings"]),
        conditions,
    )


def _conditions(case: Case, timing: Timing) -> str:
    import torch

    return _said(case.pass_, case.device, case.dtype, torch.get_num_threads(), timing.cache)


def _said(pass_: str, device: str, dtype: str, threads: int, cache: str) -> str:
    of_threads = f", {threads} thread{'s' if threads > 1 else ''}" if device == "cpu" else ""
    return f"{pass_}, {device}, {dtype}{of_threads}, caches {cache}"


def _job(case: Case, timing: Timing) -> Job:
    return Job("session", case.module, case, ("latency",), 0.0, timing=timing)


def _check(timing: Timing, pass_: str, threads: int | None) -> None:
    """Refuse options that a suite would refuse.

    Raises:
        OptionError: the first of them.
    """
    for name, word, known in (
        ("pass_", pass_, PASSES),
        ("criterion", timing.criterion, get_args(Criterion)),
        ("cache", timing.cache, get_args(Cache)),
    ):
        if word not in known:
            raise OptionError(f"{name} {word}: {suggest(str(word), known, 'choices')}")
    for name, count in (("samples", timing.samples), ("threads", threads)):
        if count is not None and (type(count) is not int or count < 1):
            raise OptionError(f"{name} {count!r}: write a whole number from 1")
    for name in ("min_time", "max_time", "relative_stdev"):
        number = getattr(timing, name)
        if number is not None and not (is_number(number) and number > 0):
            raise OptionError(f"{name} {number!r}: write a number above 0")


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of PyTorch's while the context lasts."""
    import torch

    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
