import pytest
from interpreter import several_tiles, teach_bfloat16


@pytest.fixture
def small_tiles(monkeypatch):
    several_tiles(monkeypatch)


@pytest.fixture(autouse=True)
def _bfloat16(request, monkeypatch):
    if request.node.get_closest_marker("interpreted"):
        teach_bfloat16(monkeypatch)
