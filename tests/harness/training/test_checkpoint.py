"""Kept trainings that are damaged, or are others: they count as absent, with a word."""

import json
import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from test_trainer import parameters, same, trainer
from tiny_data import TinyData, tiny_recipe

from harness.training.checkpoint import Checkpoint, CheckpointError
from harness.training.trainer import DivergenceError

WEIGHTS, PROGRESS, DESCRIPTION = "weights.safetensors", "progress.safetensors", "training.json"
RECIPE = {
    "sgd": {},
    "adamw": {"optimizer": {"kind": "adamw", "learning_rate": 0.01}},
    "half": {"precision": "float16"},  # with a gradient scaler
}
STEPS = 3


class Stopped(BaseException):
    """Stands for the end of the process."""


class Interrupted(Checkpoint):
    """Ends the process behind the first save."""

    def save_progress(self, state):
        super().save_progress(state)
        raise Stopped


def made(root, kind="sgd", of=Checkpoint):
    recipe = tiny_recipe(steps=STEPS, **RECIPE[kind])
    arguments = {"channels": 8, "out_channels": 8}
    checkpoint = of(root, {"kind": kind})
    return trainer(recipe, "fcn", arguments, checkpoint=checkpoint, save_every=0.0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of trainings: whole ones, interrupted ones; and the parameters that come out."""
    whole, under_way = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("under_way")
    out = {}
    for kind in RECIPE:
        run = made(whole, kind)
        run.run()
        out[kind] = {name: x.clone() for name, x in parameters(run).items()}
        with pytest.raises(Stopped):
            made(under_way, kind, Interrupted).run()
    return whole, under_way, out


def rewritten(change_tensors=None, **told):
    """A change of a file's tensors or words that knows nothing of its checksum."""

    def damage(path):
        with safe_open(path, framework="pt") as file:
            words = {**file.metadata(), **told}
        tensors = safetensors.torch.load(path.read_bytes())
        path.unlink()
        path.write_bytes(safetensors.torch.save((change_tensors or dict)(tensors), words))

    return damage


def flipped(place):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 4
        path.unlink()
        path.write_bytes(content)

    return damage


def written(content):
    return lambda path: path.write_bytes(content)


def not_numbers(tensors):
    return {name: torch.full_like(x, torch.nan) for name, x in tensors.items() if x.dim()}


def only(prefix):
    return lambda tensors: {name: x for name, x in tensors.items() if name.startswith(prefix)}


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": written(b""),
    "another file": written(b"[" * 5000),
    "a bit of the header": flipped(0.01),
    "a bit of the tensors": flipped(0.9),
    "the last bit": flipped(1.0),
    "no numbers": rewritten(not_numbers),
    "another number of steps": rewritten(step="2"),
    "notes are a list": rewritten(notes="[]"),
    "notes are null": rewritten(notes="null"),
    "notes are nested": rewritten(notes="[" * 5000),
    "no optimizer": rewritten(only("model.")),
    "other tensors": rewritten(lambda tensors: {"model.x": torch.zeros(2)}),
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [(WEIGHTS, damage) for damage in DAMAGES if damage != "no optimizer"]
    + [(PROGRESS, damage) for damage in DAMAGES],
)
def test_a_damaged_file_counts_as_absent_and_is_said(kept, tmp_path, name, damage):
    whole, under_way, out = kept
    shutil.copytree(whole if name == WEIGHTS else under_way, tmp_path, dirs_exist_ok=True)
    DAMAGES[damage](made(tmp_path).checkpoint.folder / name)
    repeats(tmp_path, out["sgd"], name)


def repeats(root, out, name, kind="sgd"):
    """The training is done anew, says why, and is whole from then on."""
    again = made(root, kind)
    assert again.run().first_step == 0
    (warning,) = again.checkpoint.warnings
    assert f"counts as absent and was repeated: {name} of {again.checkpoint.key} " in warning
    assert same(parameters(again), out)
    taken = made(root, kind)
    assert taken.run().first_step == STEPS
    assert taken.checkpoint.warnings == []
    assert same(parameters(taken), out)
    files = {path.name for path in again.checkpoint.folder.iterdir()}
    assert files == {"lock", WEIGHTS, DESCRIPTION}


class Forger(Checkpoint):
    """Keeps something else, with its right checksum, at the first save."""

    forge = None

    def save_progress(self, state):
        super().save_progress(type(self).forge(state))
        raise Stopped

    def save_finished(self, state):
        super().save_finished(type(self).forge(state))


def without_one(tensors):
    return dict(list(tensors.items())[1:])


def other_shape(tensors):
    return {name: torch.zeros(3, 5) for name in tensors}


FORGED = {
    "model": (other_shape, without_one, not_numbers),
    "optimizer": (other_shape, without_one, not_numbers, lambda tensors: {}),
}


@pytest.mark.parametrize(
    ("name", "kind", "part", "change"),
    [
        (name, kind, part, change)
        for name, kind, parts in (
            (WEIGHTS, "sgd", ["model"]), (PROGRESS, "sgd", ["model", "optimizer"]),
            (PROGRESS, "adamw", ["optimizer"]),
        )
        for part in parts
        for change in FORGED[part]
        # One parameter less that is remembered: so it is where it has no gradient.
        if (kind, part, change) != ("sgd", "optimizer", without_one)
    ],
)  # fmt: skip
def test_what_does_not_fit_counts_as_absent_whatever_its_checksum(
    kept, tmp_path, name, kind, part, change
):
    Forger.forge = lambda state: replace(state, **{part: change(getattr(state, part))})
    forged = made(tmp_path, kind, Forger)
    forged.save_every = 0.0 if name == PROGRESS else 1e9
    if name == PROGRESS:
        with pytest.raises(Stopped):
            forged.run()
    else:
        forged.run()
    repeats(tmp_path, kept[2][kind], name, kind)


@pytest.mark.parametrize("content", ["{}", "[", "", None])
def test_so_does_one_whose_description_is_anothers(kept, tmp_path, content):
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    file = made(tmp_path).checkpoint.folder / DESCRIPTION
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    repeats(tmp_path, kept[2]["sgd"], DESCRIPTION)


def test_an_interrupted_one_goes_on_without_a_word(kept, tmp_path):
    shutil.copytree(kept[1], tmp_path, dirs_exist_ok=True)
    for kind in RECIPE:
        again = made(tmp_path, kind)
        assert again.run().first_step == 1
        assert again.checkpoint.warnings == []
        assert same(parameters(again), kept[2][kind])


@pytest.mark.parametrize("name", ["lock", WEIGHTS, PROGRESS, DESCRIPTION])
def test_what_a_link_points_to_is_left_alone(kept, tmp_path, name):
    root, victim = tmp_path / "kept", tmp_path / "victim"
    victim.write_text("mine")
    folder = made(root).checkpoint.folder
    folder.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    again = made(root)
    if name == "lock":
        with pytest.raises(CheckpointError, match=r"lock: .* a link, which is not followed"):
            again.run()
    else:
        assert again.run().first_step == 0
        assert same(parameters(again), kept[2]["sgd"])
    assert victim.read_text() == "mine"


def test_a_folder_in_its_place_is_found_before_the_training(tmp_path):
    run = made(tmp_path)
    (run.checkpoint.folder / WEIGHTS).mkdir(parents=True)
    with pytest.raises(CheckpointError, match="in the way; remove it"):
        run.run()


def test_a_file_is_replaced_by_name_so_that_a_reader_keeps_the_old_one(kept, tmp_path):
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    folder = made(tmp_path).checkpoint.folder
    file, old = folder / WEIGHTS, tmp_path / "old"
    old.hardlink_to(file)
    before = old.read_bytes()
    file.unlink()
    file.hardlink_to(old)
    (folder / DESCRIPTION).write_text(json.dumps({}))
    made(tmp_path).run()
    assert old.read_bytes() == before
    assert not file.samefile(old)


def test_weights_that_are_no_numbers_behind_the_last_step_are_a_divergence(tmp_path):
    """The loss of a step is that of the weights before it."""
    recipe = tiny_recipe(steps=1, optimizer={"learning_rate": 1e300, "momentum": 0.0})
    checkpoint = Checkpoint(tmp_path, {})
    with pytest.raises(DivergenceError, match=r"weights that are no numbers .* learning_rate"):
        trainer(recipe, data=TinyData(), checkpoint=checkpoint, save_every=1e9).run()
    assert not (checkpoint.folder / WEIGHTS).exists()
