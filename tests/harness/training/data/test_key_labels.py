"""`scenes` whose keys carry the class of what they decide: context of a pixel's own class."""

import numpy as np
import pytest

from harness.training.data.ceiling import ceiling
from harness.training.data.dataset import DataError, open_data
from harness.training.data.draw import CONTEXTS, SceneParameters
from harness.training.data.scenes import compose, shown

OWN = SceneParameters.parse({})
DECIDED = SceneParameters.parse({"key_labels": "decided"})


def test_classes_are_the_variants():
    assert DECIDED.classes == ("ground", "variant a", "variant b")
    assert SceneParameters.parse({"key_labels": "decided", "variants": 3}).classes[-1] == (
        "variant c"
    )


@pytest.mark.parametrize("kind", CONTEXTS)
def test_the_image_is_the_same_and_a_key_has_the_class_of_its_regions(kind):
    own = compose(SceneParameters.parse({"context": kind}), "val", 3)
    decided = compose(SceneParameters.parse({"context": kind, "key_labels": "decided"}), "val", 3)
    assert (own.image == decided.image).all()
    assert ((own.labels == 0) == (decided.labels == 0)).all()
    # Of the first classes every second one is of the other variant, from key a on.
    covered = own.labels > 0
    assert (decided.labels[covered] == 1 + (own.labels[covered].astype(int) - 1) % 2).all()


def test_data_of_before_keep_their_version():
    """What came later is no part of their hash: kept trainings and files stay true."""
    small = SceneParameters.parse({"size": 32, "gap": 4, "train": 5, "val": 5})
    assert small.version("train") == "a9a865404628c2e2"
    assert DECIDED.version("val") != OWN.version("val")


def test_where_keys_stand_is_kept_where_labels_do_not_tell_it(tmp_path):
    own, decided = (
        open_data("scenes", "val", root=tmp_path, parameters={"val": 12, "key_labels": labels})
        for labels in ("own", "decided")
    )
    assert (own.shown == decided.shown).all()
    again = open_data(
        "scenes", "val", root=tmp_path, parameters={"val": 12, "key_labels": "decided"}
    )
    assert (again.shown == decided.shown).all()  # read back
    one = compose(decided.parameters, "val", 0)
    assert (decided.shown[0].numpy() == shown(one.things, decided.parameters)).all()


def test_the_ceiling_is_what_a_guess_reaches(tmp_path):
    """Keys are known by sight; of a region every guess is a coin, whatever its texture."""
    data = open_data(
        "scenes", "val", root=tmp_path, parameters={"val": 300, "key_labels": "decided"}
    )
    truth, keys = data.labels.numpy(), data.shown.numpy()
    guess = truth.astype(int)
    blind = (truth > 0) & ~keys
    guess[blind] = np.random.default_rng(0).integers(1, 3, int(blind.sum()))
    scores = []
    for c in range(3):
        both, either = (guess == c) & (truth == c), (guess == c) | (truth == c)
        scores.append(both.sum() / either.sum())
    limit = ceiling(data)
    assert np.mean(scores) == pytest.approx(limit.miou, abs=0.003)
    assert limit.miou < 0.75
    assert limit == ceiling(data, data.parameters.gap)
    assert ceiling(data, 64).miou == 1.0


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"key_labels": "kin"}, "key_labels of scenes is 'kin'; give own or decided"),
        ({"textures_from": "noise"}, "give waves or photographs"),
        ({"textures_from": "photographs", "textures": 4}, "from 1 to 3"),
    ],
)
def test_wrong_parameters_say_what_to_write(parameters, words):
    with pytest.raises(DataError, match=words):
        SceneParameters.parse(parameters)
