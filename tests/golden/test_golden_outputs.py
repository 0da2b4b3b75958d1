"""What is printed of kept runs and of suites stays the same in every byte."""

from difflib import unified_diff

import pytest
from golden_outputs import EXPECTED, OUTPUTS, made


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_is_as_it_was(name, tmp_path):
    expected = (EXPECTED / name).read_bytes().decode()
    now = made(name, tmp_path)
    texts = expected.splitlines(keepends=True), now.splitlines(keepends=True)
    difference = "".join(unified_diff(*texts, f"expected/{name}", "now", n=1))
    if now != expected:
        pytest.fail(f"meant? python tests/golden/golden_outputs.py\n{difference}", pytrace=False)


def test_nothing_else_is_kept():
    kept = {str(path.relative_to(EXPECTED)) for path in EXPECTED.rglob("*") if path.is_file()}
    assert kept == set(OUTPUTS)
