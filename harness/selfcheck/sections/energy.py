"""Energy by the board's counter, against the power that the board may draw."""

from collections.abc import Iterator

from harness.environment.gpu import nvml_library
from harness.selfcheck.finding import Finding, judged, skipped
from harness.selfcheck.setting import Setting

_SUITE = """\
suite: energy
input: [1, 512, 96, 96]
measure: [params, latency, energy]
latency: {max_time: 1, min_time: 0.1}
cases:
  - {label: NL, module: non_local, with: {key_channels: 64}}
  - {label: NL as a graph, module: non_local, with: {key_channels: 64}, latency: {cuda_graph: true}}
"""

_ABOVE_CAP = 1.1  # a board may overshoot its cap for the moment of a window


def check(setting: Setting) -> Iterator[Finding]:
    """Mean power of a window: above that of the board at rest, within its cap."""
    if nvml_library() is None:
        yield skipped("counter", "nvidia-ml-py is missing; pip install 'context-harness[gpu]'")
        return
    for label, record in setting.measured("energy", _SUITE).items():
        if record.status != "ok":
            yield judged(label, False, f"{record.status} ({record.cause})")
            continue
        watts, passes = record.values.get("energy_watts"), record.values.get("energy_passes")
        if watts is None:
            why = next((each for each in record.warnings if "energy" in each), "not known")
            yield skipped(label, why)
            continue
        before = dict(record.gpu.before or {}) if record.gpu else {}
        cap = float(before.get("power_cap_watts") or "inf")
        joules, seconds = record.values["energy_joules"], record.values["latency_seconds"]
        window = record.values["energy_window_seconds"]
        # A pass of the window takes about as long as one that was timed, its launches included.
        said = (
            f"{joules:.3g} J a pass, {watts:.0f} W over {window:.2f} s and {passes} passes, cap "
            f"{cap:.0f} W; a pass {window / passes * 1e3:.3f} ms, timed {seconds * 1e3:.3f} ms"
        )
        sound = 0 < watts <= _ABOVE_CAP * cap and window / passes >= 0.9 * seconds
        yield judged(label, sound, said, watts=watts, joules=joules, cap_watts=cap)
