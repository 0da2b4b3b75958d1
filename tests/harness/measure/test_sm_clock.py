"""Whether the SM clock is throttled, by a stand-in for NVML."""

import pytest

from harness.measure.passes import throttling


class FakeNvml:
    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def __init__(self, now, largest=2000, missing=False, mask=0):
        self.now, self.largest, self.missing, self.mask = now, largest, missing, mask
        self.asked = []

    def nvmlInit(self):
        self.asked.append("init")

    def nvmlDeviceGetHandleByUUID(self, uuid):
        self.asked.append(uuid)
        if self.missing:
            raise self.NVMLError
        return "handle"

    def nvmlDeviceGetMaxClockInfo(self, handle, kind):
        return self.largest

    def nvmlDeviceGetClockInfo(self, handle, kind):
        value = next(self.now)
        if value is None:
            raise self.NVMLError
        return value

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        if self.mask is None:
            raise self.NVMLError
        return self.mask


SLOW = 1400  # MHz of 2000, as locked clocks are


@pytest.mark.parametrize(
    ("mask", "throttled"),
    [
        (0x000, False),  # locked: nothing else holds it down
        (0x001, False),  # idle
        (0x002, False),  # application clocks setting
        (0x004, True),  # software power cap
        (0x022, True),  # software thermal slowdown, too
        (0x040, True),  # hardware thermal slowdown
        (0x080, True),  # hardware power brake slowdown
        (None, True),  # a driver that names no reasons
    ],
)
def test_a_slow_clock_is_throttled_unless_somebody_set_it(mask, throttled):
    assert throttling("abc", FakeNvml(iter([SLOW]), mask=mask))() is throttled


def test_a_clock_from_three_quarters_on_is_not():
    read = throttling("abc", FakeNvml(iter([2000, 1500, 1499, None]), mask=0x20))
    assert [read(), read(), read(), read()] == [False, False, True, None]


@pytest.mark.parametrize("uuid", ["abc", "GPU-abc"])
def test_the_device_is_found_by_its_identity(uuid):
    nvml = FakeNvml(iter([]))
    throttling(uuid, nvml)
    assert nvml.asked == ["init", "GPU-abc"]


def test_unknown_device_or_clock():
    assert throttling("abc", FakeNvml(iter([]), missing=True)) is None
    assert throttling("abc", FakeNvml(iter([]), largest=0)) is None
