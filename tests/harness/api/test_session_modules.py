"""What no other process can import is measured in this one, and says so."""

import pytest
import torch
from torch import nn

import harness
from harness.engines.engine import RemoteEngine

SUITE = {"suite": "session", "input": [1, 8, 6, 6], "measure": ["params", "flops"], "threads": 1}
TIMED = {**SUITE, "measure": ["params", "latency"], "latency": {"criterion": "fixed", "samples": 3}}
HERE = "measured in this process, not in one of its own: no other can import its module"


def made(factor=1, *, fails=False):
    class Gate(nn.Module):
        def __init__(self, in_channels, k=1):
            super().__init__()
            self.conv = nn.Conv2d(in_channels, factor * in_channels, k, padding=k // 2, bias=False)

        def forward(self, x):
            if fails:
                raise ValueError("not today")
            return self.conv(x)

    return Gate


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda suite, **options: harness.run(suite, progress=False, **options)


def test_classes_instances_and_lambdas_stand_beside_what_is_isolated(run):
    net = nn.Conv2d(8, 3, 1)
    cases = [
        {"module": made(), "grid": {"k": [1, 3]}},
        {"module": made(2), "label": "twice"},
        {"module": net},
        {"module": lambda: nn.Conv2d(8, 5, 1), "label": "lambda"},
        {"module": "interlaced", "label": "ISA", "with": {"groups": [2, 2]}},
    ]
    rows = run({**SUITE, "cases": cases}).rows()
    assert [(row["label"], row["status"], row["params"]) for row in rows[:5]] == [
        *(("Gate (k=1)", "ok", 64), ("Gate (k=3)", "ok", 576), ("twice", "ok", 128)),
        *(("Conv2d", "ok", 27), ("lambda", "ok", 45)),
    ]
    assert [HERE in row["warnings"] for row in rows] == [True] * 5 + [False]
    assert rows[0]["conv_macs"] == 64 * 36


def test_a_kept_run_is_read_in_another_session(run):
    kept = run({**SUITE, "module": made()})
    assert harness.load("session").rows() == kept.rows()
    assert "Gate" in str(harness.load("session").table())


def test_the_module_and_the_session_stay_as_they_were(run):
    net = nn.Conv2d(8, 3, 1)
    before, threads = net.weight.clone(), torch.get_num_threads()
    state = torch.get_rng_state()
    (row,) = run({**TIMED, "module": net, "pass": "training"}).rows()
    assert row["status"] == "ok"
    assert torch.equal(net.weight, before)
    assert net.weight.grad is None
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_going_on_measures_them_again_since_nobody_knows_their_code(run):
    run({**SUITE, "module": made(), "label": "A"})
    again = run({**SUITE, "module": made(3), "label": "A"}, resume="latest")
    assert [row["params"] for row in again.rows()] == [192]


def test_passes_of_one_process_never_tell_rows_apart(run):
    cases = [{"module": made(), "label": "A"}, {"module": made(2), "label": "B"}]
    told = run({**TIMED, "repeats": 4, "cases": cases}).compare()
    assert [each.verdict for each in told.relative.values()] == ["unclear"]
    # Tables that nobody asked for have the ratio, on the page as in the terminal.
    kept = harness.load("session")
    assert "Relative time" in str(kept.table())
    assert "Relative time" in harness.report(kept).read_text()
    assert "not isolated" in repr(told.latencies["A"])


@pytest.mark.parametrize(
    ("changes", "status", "cause"),
    [
        ({"module": made(fails=True)}, "error", "ValueError: not today"),
        ({"module": made(), "measure": "resident"}, "unsupported", "put the module into a file"),
    ],
)
def test_what_goes_wrong_is_a_row(run, changes, status, cause):
    (row,) = run({**SUITE, **changes}).rows()
    assert row["status"] == status
    assert cause in row["cause"]


def test_a_lambda_of_tensors_is_answered_by_what_it_takes(run):
    with pytest.raises(
        harness.SuiteError, match="with: lambda needs the argument x; add x to with"
    ):
        run({**SUITE, "module": lambda x: x + 1})


def test_no_other_machine_is_asked_for_them(run):
    class Elsewhere(RemoteEngine):
        """Is refused before it is asked for anything."""

    with pytest.raises(harness.HarnessError, match="stands in this session alone"):
        run({**SUITE, "module": made()}, engine=Elsewhere())


def test_costs_layer_by_layer_of_a_class_of_this_session():
    assert harness.show(made(), (1, 8, 6, 6)).totals["params"] == 64


def test_rows_of_several_inputs_are_compared_only_where_they_are_named(run):
    sizes = {"input": [[1, 8, 4, 4], [1, 8, 6, 6]]}
    timed = {key: value for key, value in TIMED.items() if key != "input"}
    done = run({**timed, "module": made(), "label": "{input}", "grid": sizes})
    with pytest.raises(harness.HarnessError, match="rows of 2 inputs or passes"):
        done.compare()
    assert len(done.compare("1x8x4x4", "1x8x6x6").latencies) == 2


def test_rows_of_several_suites_keep_apart_in_a_comparison(run, tmp_path):
    part = "suite: part\ninput: [1, 8, 6, 6]\nmeasure: [latency]\nlabel: A\nmodule: se\n"
    part += "with: {reduction: 2}\n"
    (tmp_path / "part.yaml").write_text(part + "latency: {criterion: fixed, samples: 3}\n")
    done = run({**TIMED, "module": made(), "label": "A", "include": ["part.yaml"]})
    assert set(done.compare().latencies) == {"session: A", "part: A"}
