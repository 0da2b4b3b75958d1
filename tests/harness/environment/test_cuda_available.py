"""Whether there is a GPU is asked of PyTorch only where it might find one."""

import subprocess
import sys

import pytest

CODE = """
import ctypes, sys
loads = {loads}
real = ctypes.CDLL
def load(name, *rest, **more):
    if "cuda" in str(name):
        if not loads:
            raise OSError(name)
        return None
    return real(name, *rest, **more)
ctypes.CDLL = load
from harness.environment.gpu import cuda_is_available
print(cuda_is_available(), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("version", "loads", "said"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", True, "False False"),
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", False, "False False"),
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", True, "True True"),
        ("cuda = None\nhip = '6.4'\n", False, "True True"),
        ("what = 'is this'\n", False, "True True"),
        (None, False, "True True"),
    ],
)
def test_pytorch_is_imported_only_where_it_might_find_one(tmp_path, version, loads, said):
    torch = tmp_path / "torch"
    torch.mkdir()
    (torch / "__init__.py").write_text("class cuda:\n    is_available = lambda: True\n")
    if version is not None:
        (torch / "version.py").write_text(version)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + CODE.format(loads=loads)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
