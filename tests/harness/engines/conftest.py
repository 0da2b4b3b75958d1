import pytest
from lab import Lab

ENGINES = ["local"]


@pytest.fixture(scope="module", params=ENGINES)
def lab(request):
    """Every engine in turn; the contract holds for all."""
    return request.getfixturevalue(f"{request.param}_lab")


@pytest.fixture(scope="module")
def local_lab():
    return Lab()
