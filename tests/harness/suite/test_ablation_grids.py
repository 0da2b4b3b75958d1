"""The ablation grids: which trainings they share, and what each of them shows."""

from dataclasses import replace
from pathlib import Path

import pytest

import harness
from harness.engines.engine import Finished
from harness.engines.local import LocalEngine
from harness.suite.loader import load
from harness.training.ahead import Trainings

FOLDER = Path(harness.__file__).parents[1] / "suites" / "ablations"
# Written for continuous integration, and for the order of mechanisms by kind of context.
OTHERS = {"smoke", "mechanisms"}
GRIDS = {path.stem: load(path) for path in sorted(FOLDER.glob("*.yaml")) if path.stem not in OTHERS}
PAPERS = {"cpnet", "ranet", "srnet", "ggcf", "ocnet"}
every = pytest.mark.parametrize("name", GRIDS)

# Of distinct networks, each trained from three seeds; a grid is to end within forty minutes on two
# cores, and those that share a training do it once.
SEEDS = 3
MOST = 16
MOST_IN_ALL = 100


def trainings(*suites):
    jobs = [job for suite in suites for job in suite.all_jobs()]
    return Trainings(jobs), jobs


def test_every_paper_has_grids():
    assert {name.partition("_")[0] for name in GRIDS} == PAPERS


@every
def test_a_grid_shows_cost_beside_accuracy(name):
    suite = GRIDS[name]
    (table,) = suite.tables
    shown = {"params", "flops", "memory", "latency", "miou", "pixel_acc"}
    assert shown <= set(table.columns)
    fronts = [plot for plot in suite.plots if plot.kind == "scatter" and plot.y == "miou"]
    assert len(fronts) == 1, "one Pareto plot"
    assert len(suite.plots) >= 2
    measured = {metric for job in suite.all_jobs() for metric in job.metrics}
    assert measured == {"params", "flops", "memory", "latency", "accuracy"}


@every
def test_printed_figures_are_never_judged(name):
    reference = GRIDS[name].reference
    if reference is None:
        assert name in ("cpnet_lambda", "ggcf_pruning", "srnet_nodes"), (
            "figures that print no numbers"
        )
        return
    assert reference.figures
    assert all(figure.judged is False for figure in reference.figures.values())


@every
def test_costs_are_those_of_the_trained_map(name):
    for job in GRIDS[name].all_jobs():
        backbone = job.accuracy["recipe"]["network"]["backbone_arguments"]
        side = job.accuracy["data"]["parameters"].get("size", 64) // backbone["output_stride"]
        assert job.case.inputs == ((1, backbone["width"], side, side),)


def test_whatever_a_grid_counts_can_be_counted():
    distinct = {
        job.case.key: replace(job, metrics=("params", "flops"))
        for suite in GRIDS.values()
        for job in suite.all_jobs()
        if "flops" in job.metrics
    }
    engine = LocalEngine(2)
    for job in distinct.values():
        engine.submit(job)
    ended = [each for each in engine.events() if isinstance(each, Finished)]
    failed = [
        (each.job.suite, each.job.label, each.outcome.cause)
        for each in ended
        if each.outcome.status != "ok"
    ]
    assert (len(ended), failed) == (len(distinct), [])


@every
def test_a_grid_has_few_trainings(name):
    found, _ = trainings(GRIDS[name])
    assert len(found.distinct) <= SEEDS * MOST


def test_grids_share_trainings():
    """CPNet's layer stands in three grids, so does interlaced attention, and so on."""
    together, jobs = trainings(*GRIDS.values())
    apart = sum(len(trainings(suite)[0].distinct) for suite in GRIDS.values())
    assert len(together.distinct) <= SEEDS * MOST_IN_ALL < apart < SEEDS * len(jobs)


@pytest.mark.parametrize(
    ("name", "cases", "seeds"), [("ggcf_pruning", 24, 2 * SEEDS), ("ranet_coarse_fine", 2, SEEDS)]
)
def test_what_acts_in_evaluation_alone_is_trained_once(name, cases, seeds):
    found, jobs = trainings(GRIDS[name])
    assert len(jobs) == cases
    assert len(found.distinct) == seeds
