"""PyTorch's own list of operators: none is silently zero, and fakes are counted as real tensors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("operator_samples.py")


def words(text):
    return set(text.split())


# What makes tensors, or gives a name to a part of one, and computes nothing.
NO_ARITHMETIC = words(
    """
    item arange cauchy exponential geometric log_normal normal normal.in_place normal.number_mean
    uniform randn randn_like rand_like randint randint_like
    empty empty_like empty_permuted empty_strided new_empty new_empty_strided zeros zeros_like
    new_zeros ones ones_like new_ones full full_like new_full fill eye scalar_tensor linspace
    linspace.tensor_overload logspace logspace.tensor_overload tril_indices triu_indices
    broadcast_to broadcast_shapes broadcast_tensors chunk unsafe_chunk contiguous positive conj
    conj_physical resolve_conj resolve_neg view_as_real view_as_complex expand expand_as diagonal
    linalg.diagonal imag real isreal meshgrid.variadic_tensors meshgrid.list_of_tensors as_strided
    as_strided.partial_views narrow permute split split.list_args unsafe_split split_with_sizes
    select slice tensor_split hsplit vsplit dsplit reshape reshape_as view view_as atleast_1d
    atleast_2d atleast_3d flatten unflatten unbind unfold movedim squeeze squeeze.multiple unsqueeze
    transpose T H mT mH t
    nn.functional.feature_alpha_dropout.without_train
    """
)

# The operators below them that count as no work though they return no view.
FREE = words(
    """
    _local_scalar_dense _linalg_check_errors _unsafe_view arange empty empty_like empty_permuted
    empty_strided eye fill fill_ full full_like linspace logspace new_empty new_empty_strided
    new_full new_ones new_zeros ones ones_like scalar_tensor tril_indices triu_indices zero_ zeros
    zeros_like
    cauchy_ exponential_ geometric_ log_normal_ normal normal_ rand randint randint_like randn
    randn_like uniform_
    resize_ resize_as_ squeeze_ transpose_ unsafe_split
    """
)

# What hangs on values, so that it has no fake form; such a module is counted on real tensors.
NEED_VALUES = words(
    """
    __getitem__ allclose argwhere bincount combinations corrcoef cov equal istft item linalg.lstsq
    linalg.lstsq.grad_oriented masked_select nanquantile narrow nn.functional.ctc_loss
    nn.functional.gaussian_nll_loss nn.functional.one_hot nonzero quantile repeat_interleave
    sparse.mm.reduce sparse.sampled_addmm tensor_split unique unique_consecutive
    """
)


@pytest.fixture(scope="module")
def database():
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode and "No module named 'torch.testing" in done.stderr:
        pytest.skip("this PyTorch comes without its database of operators")
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture
def operators(database):
    return database["operators"]


def counted(operators):
    """Name and both counts of every sample that runs on this machine."""
    for name, found in operators.items():
        for sample in found["samples"]:
            if "error" not in sample["real"]:
                yield name, sample["real"], sample["fake"]


def is_zero(tally):
    return not tally["macs"] and not any(tally["elementwise"].values()) and not tally["unknown"]


def test_the_database_is_there_and_runs(operators):
    assert len(operators) > 500
    ran = {name for name, _, _ in counted(operators)}
    assert {name.split("_")[0] for name in operators.keys() - ran} <= {
        "jiterator",  # CUDA alone
        "torch.",  # scaled products, of a GPU alone
        "torch.ops.aten.",
        "nn.functional.batch",
    }


def test_no_operator_with_work_is_silently_zero(operators):
    worked = {name for name, real, _ in counted(operators) if not is_zero(real)}
    ran = {name for name, _, _ in counted(operators)}
    assert ran - worked <= NO_ARITHMETIC


def test_only_what_is_listed_counts_as_no_work(database):
    assert {name.removeprefix("aten::") for name in database["free"]} <= FREE


def test_fake_and_real_counts_are_equal(operators):
    differing = {
        name for name, real, fake in counted(operators) if "error" not in fake and fake != real
    }
    # On fakes PyTorch compares with every class, since it cannot look at the largest value.
    assert differing <= {"nn.functional.one_hot"}


def test_what_has_no_fake_form_needs_values(operators):
    assert {name for name, _, fake in counted(operators) if "error" in fake} <= NEED_VALUES


def test_products_have_the_macs_of_their_shapes(operators):
    checked = {
        (name, dtype, "" if plain else "in place"): (found, expected)
        for name, operator in operators.items()
        for dtype, plain, found, expected in operator["products"]
    }
    assert len(checked) > 80
    assert len({name for name, _, _ in checked}) >= 25
    assert {key: pair for key, pair in checked.items() if pair[0] != pair[1]} == {}
