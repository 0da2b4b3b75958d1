"""Pictures of trained networks show what the networks hold, and what the evaluation sees."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import harness
from context_modules.affinity_loss import ideal_affinity
from harness.api.pictures import job_of, networks_of
from harness.messages import HarnessError
from harness.present.pictures import TRAINED
from harness.present.pictures.predictions import predicted
from harness.present.pictures.receptive_field import gradient_fields
from harness.present.pictures.regions import regions_of
from harness.present.pictures.shown import Shown
from harness.present.pictures.trained import available
from harness.training.accuracy import training_plan
from harness.training.checkpoint import Checkpoint, Notes, State
from harness.training.evaluate import Confusion
from harness.training.network import build_network
from harness.training.trainer import Trainer

PICTURED = {"Prior": "prior", "Nodes": "nodes", "Regions": "regions", "ISA": "relations"}
EVERY = ["receptive-field", "predictions"]


@pytest.fixture(scope="module")
def run(trained_run):
    return harness.load(trained_run)


def network(run, label, seed=None):
    return networks_of(run, [label], seed)[label]


def drawn(figure):
    """What each panel shows and what stands below it, by its title; the last of equal titles."""
    return {
        axes.get_title(loc="left"): (np.asarray(axes.images[-1].get_array()), axes.get_xlabel())
        for axes in figure.axes
        if axes.images
    }


def inside(kept, call, index=0):
    """What a part of the network answers to, computed apart from the pictures."""
    held = []
    hook = kept.network.context.register_forward_pre_hook(lambda _, given: held.append(given[0]))
    sample = kept.plan.val[index]
    mean, std = (torch.tensor(x)[:, None, None] for x in (kept.plan.recipe.mean, [0.25] * 3))
    with torch.no_grad():
        kept.network(((sample.image - mean) / std)[None])
        hook.remove()
        return call(kept.network.context, held[0]), sample


@pytest.mark.parametrize("label", [*PICTURED, "GRID"])
def test_the_pictures_of_a_network_are_those_of_its_module(run, label):
    own = [PICTURED[label]] if label in PICTURED else []
    assert available(network(run, label).network) == [*own, *EVERY]


def test_the_prior_is_that_of_the_network_beside_the_ideal_of_the_labels(run):
    panels = drawn(run.picture("prior", "Prior (BCE)", "Prior", images=[2]))

    for label, said in (("Prior", "trained on both"), ("Prior (BCE)", "trained on unary")):
        kept = network(run, label)
        (_, prior), sample = inside(kept, lambda part, x: part.forward_with_prior(x), 2)
        shown, below = panels[f"P of {label}"]
        np.testing.assert_allclose(shown, prior[0].numpy(), atol=1e-6)
        ideal = ideal_affinity(sample.labels[None, 1::2, 1::2])[0]
        assert f"same class {float(prior[0][ideal].mean()):.2f}" in below
        assert said in below
    np.testing.assert_array_equal(panels["ideal map A"][0], ideal.numpy())
    assert not np.array_equal(panels["P of Prior"][0], panels["P of Prior (BCE)"][0])


def test_regions_and_representatives_are_those_of_the_head(run):
    kept = network(run, "Regions")
    found = regions_of(Shown("Regions", kept, 1))
    (_, scores), _ = inside(kept, lambda part, x: part.forward_with_scores(x), 1)
    regions = kept.network.context.regions(scores)

    np.testing.assert_array_equal(found.regions.flatten(), regions.labels[0])
    np.testing.assert_allclose(found.boundary, scores.boundary[0].sigmoid(), atol=1e-6)
    for name in regions.labels[0].unique():
        inside_it = found.regions == name
        assert int(found.representatives[inside_it].sum()) == min(2, int(inside_it.sum()))
    panels = drawn(run.picture("regions", "Regions", images=[1]))
    several = int((regions.labels[0].unique(return_counts=True)[1] > 1).sum())
    assert panels["regions"][1].startswith(f"{several} region")


def test_each_node_is_shown_as_the_module_has_it(run):
    kept = network(run, "Nodes")
    nodes, _ = inside(kept, lambda part, x: part.node_activations(x))
    panels = drawn(run.picture("nodes", "Nodes"))

    titles = [title for title in panels if title.startswith("node")]
    assert len(titles) == len(nodes[0]) == 4
    for title, channels in zip(titles, nodes[0], strict=True):
        if title.endswith("silent"):
            assert float(channels.std()) == 0
            continue
        channel = channels[int(panels[title][1].split()[1])]
        expected = (channel - channel.min()) / (channel.max() - channel.min())
        np.testing.assert_allclose(panels[title][0], expected, atol=1e-5)


def test_relations_are_zero_outside_of_the_stage_and_name_the_share_of_the_class(run):
    panels = drawn(run.picture("relations", "ISA"))

    for mark in "abc":
        local = panels[f"{mark}: local"][0]
        rows, columns = np.nonzero(local)
        assert local.shape == (16, 16)
        assert np.ptp(rows) < 4 and np.ptp(columns) < 4  # noqa: PT018 - Q = 16 / P = 4
        assert (panels[f"{mark}: global"][0] > 0).sum() <= 16
        assert "% on its class" in panels[f"{mark}: all stages"][1]


def test_a_field_of_a_grid_has_gradients_at_its_period_alone(run):
    on_map, on_image = gradient_fields(Shown("GRID", network(run, "GRID"), 0), (10, 13))

    rows, columns = on_map.nonzero(as_tuple=True)
    # Position (10, 13) lies in row 5 and column 6 of the map of stride 2.
    assert {(int(r) - 5) % 3 for r in rows} == {(int(c) - 6) % 3 for c in columns} == {0}
    assert len(rows) > 1
    assert on_image.shape == (32, 32)
    assert (on_image > 0).sum() > (on_map > 0).sum()


@pytest.mark.parametrize("label", ["Prior", "ISA", "Nodes"])
def test_predictions_are_what_the_evaluation_counted(run, label):
    kept = network(run, label)
    counted = Confusion(len(kept.plan.val.classes))
    for index in range(kept.images):
        one = predicted({label: kept}, index)
        np.testing.assert_array_equal(one.labels, kept.plan.val[index].labels)
        counted.add(one.said[label], one.labels)
    row = next(each for each in run.rows() if each["label"] == label)
    first = row["miou_seeds"][0]
    assert counted.miou() == pytest.approx(first)

    panels = drawn(run.picture("predictions", label, images=[kept.images - 1]))
    shown, right = panels[label][0], (one.said[label] == one.labels).float().mean()
    assert panels[label][1] == f"{float(right):.1%} right"
    np.testing.assert_array_equal(shown, one.said[label])  # colours stand in the order of classes
    np.testing.assert_array_equal(panels["errors"][0], one.said[label] != one.labels)


def test_the_seed_chooses_the_training(run):
    first, second = (network(run, "Nodes", seed) for seed in (0, 1))

    assert (first.seed, second.seed) == (0, 1)
    weights = [each.network.classifier[1].weight for each in (first, second)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pirior", "Prior"), "pirior: no picture of a run; did you mean prior?"),
        (("regions", "Prior"), "regions: Prior has nothing of it; there are: prior, receptive-"),
        (("prior",), "so that one has to be named: Prior, Prior (BCE), Nodes"),
        (("prior", "Priori"), "did you mean Prior?"),
        (("predictions", "Costs"), "Costs: no accuracy was measured"),
    ],
)
def test_what_cannot_be_drawn_is_said_with_the_cure(run, arguments, said):
    with pytest.raises(HarnessError) as refused:
        run.picture(*arguments)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_wrong_numbers_are_said_with_those_that_there_are(run):
    with pytest.raises(HarnessError, match="the validation split has 5; choose one from 0 to 4"):
        run.picture("predictions", "ISA", images=[5])
    with pytest.raises(HarnessError, match="no training of Nodes has the seed 7; they have: 0, 1"):
        run.picture("nodes", "Nodes", seed=7)
    with pytest.raises(HarnessError, match="prior is of one image"):
        run.picture("prior", "Prior", images=[0, 1])


class Interrupted(Checkpoint):
    """A store that ends the training once two steps of it are kept."""

    def save_progress(self, state):
        super().save_progress(state)
        if state.step == 2:
            raise KeyboardInterrupt


def test_an_earlier_step_is_what_an_interrupted_training_had_kept(run, tmp_path):
    row = next(each for each in run.rows() if each["label"] == "Prior")
    plan = training_plan(job_of(run.suite, row))
    trained = build_network(plan.network, 0)
    store = Interrupted(tmp_path, {})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.raises(KeyboardInterrupt):
            Trainer(
                *(trained, plan.train, plan.recipe, 0, plan.device, store),
                save_every=0.0,
                save_share=float("inf"),
            ).run()
    finally:
        torch.set_num_threads(threads)
    kept = store.progress(lambda _: None)

    steps = networks_of(run, ["Prior"], steps=[3, 2, 1])

    assert list(steps) == ["step 3", "step 2", "step 1"]
    for name, value in steps["step 2"].network.state_dict().items():
        assert torch.equal(value, kept.model[name]), name
    last = network(run, "Prior").network.state_dict()
    assert torch.equal(steps["step 3"].network.classifier[1].weight, last["classifier.1.weight"])
    assert not torch.equal(
        steps["step 1"].network.classifier[1].weight, last["classifier.1.weight"]
    )
    assert torch.get_num_threads() == threads


def test_steps_that_cannot_be_repeated_are_refused(run, monkeypatch):
    with pytest.raises(HarnessError, match="Prior, seed 0: step 4: its training has 3; choose"):
        run.picture("prior", "Prior", steps=[4])
    with pytest.raises(HarnessError, match="name one case"):
        run.picture("prior", "Prior", "ISA", steps=[1])
    monkeypatch.setattr(torch, "__version__", "2.0.0")
    with pytest.raises(HarnessError, match="would be those of another training"):
        run.picture("prior", "Prior", steps=[1])


@pytest.fixture
def spoilt(run, tmp_path):
    """A copy of the run with its trainings, and the folder of that of a case."""
    shutil.copytree(run.directory.path.parents[3], tmp_path / "copy", symlinks=True)
    copy = harness.load(tmp_path / "copy" / "results" / "runs" / "inner")

    def folder_of(label):
        row = next(each for each in copy.rows() if each["label"] == label)
        return tmp_path / "copy" / "results" / "checkpoints" / row["train_keys"][0]

    return copy, folder_of


def test_a_training_that_is_gone_or_damaged_names_the_command_that_repeats_it(spoilt):
    run, folder_of = spoilt
    shutil.rmtree(folder_of("ISA"))
    with pytest.raises(HarnessError) as refused:
        run.picture("relations", "ISA")
    assert "ISA, seed 0: its trained network is not in " in str(refused.value)
    assert str(refused.value).endswith("inner.yaml --only ISA trains it again")

    weights = folder_of("Nodes") / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(HarnessError, match="is damaged"):
        run.picture("nodes", "Nodes")


def test_a_training_of_other_code_is_shown_with_a_remark(spoilt):
    """The record's key finds it; what was computed then is computed anew by the code of now."""
    run, folder_of = spoilt
    assert network(run, "GRID").remarks == ()
    old = folder_of("GRID")
    told = json.loads((old / "training.json").read_text())
    told["source"] = "another"
    renamed = _kept_again(run, "GRID", old, told)
    assert network(renamed, "GRID").remarks == (
        "the code of the network or its training is another now than when it was trained",
    )


def _kept_again(run, label, folder, told):
    """The run with a training that was kept under another description."""
    kept = network(run, label)
    again = Checkpoint(folder.parent, {k: v for k, v in told.items() if k != "files"})
    again.folder.mkdir()
    again.save_finished(State(3, kept.network.state_dict(), Notes(0.0, 0.0)))
    records = [
        replace(each, values={**each.values, "train_keys": [again.key]})
        if each.label == label
        else each
        for each in run.records
    ]
    return harness.Run(run.suite, run.directory, records)


def test_names_of_pictures_need_neither_torch_nor_matplotlib():
    code = (
        "import sys; from harness.present.pictures import TRAINED; "
        "print(sorted({'torch', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert len(TRAINED) == 6
