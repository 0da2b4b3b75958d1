"""The SM clock against its default, by a stand-in for NVML."""

import pytest

from harness.measure.passes import clock_share


class FakeNvml:
    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def __init__(self, now, largest=2000, missing=False):
        self.now, self.largest, self.missing = now, largest, missing
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


def test_share_of_the_default_clock():
    read = clock_share("abc", FakeNvml(iter([2000, 1500, None])))
    assert [read(), read(), read()] == [1.0, 0.75, None]


@pytest.mark.parametrize("uuid", ["abc", "GPU-abc"])
def test_the_device_is_found_by_its_identity(uuid):
    nvml = FakeNvml(iter([]))
    clock_share(uuid, nvml)
    assert nvml.asked == ["init", "GPU-abc"]


def test_unknown_device_or_clock():
    assert clock_share("abc", FakeNvml(iter([]), missing=True)) is None
    assert clock_share("abc", FakeNvml(iter([]), largest=0)) is None
