from importlib.util import find_spec

import pytest
from lab import Lab

ENGINES = [
    "local",
    pytest.param("ray", marks=pytest.mark.slow),
    pytest.param("slurm", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=ENGINES)
def lab(request):
    """Every engine in turn; the contract holds for all."""
    return request.getfixturevalue(f"{request.param}_lab")


@pytest.fixture(scope="module")
def local_lab():
    return Lab()


@pytest.fixture(scope="module")
def ray_lab():
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'context-harness[ray]'")
    from ray_lab import RayLab

    lab = RayLab()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        try:
            lab.begin()
            yield lab
        finally:
            left = lab.end()
        assert left == []


@pytest.fixture(scope="module")
def slurm_lab(tmp_path_factory):
    if find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install 'context-harness[slurm]'")
    from slurm_lab import SlurmLab

    lab = SlurmLab(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        yield lab
        lab.close()
