"""`scenes`: what decides is there, is far away, and is the only thing that tells."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from observers import mean_iou, with_context, without_variants

from harness.suite.recipe import DataName
from harness.training.data.contexts import deciding
from harness.training.data.dataset import DataError, open_data
from harness.training.data.draw import CONTEXTS, Draw, SceneParameters
from harness.training.data.scenes import WAVELENGTHS, compose, mask, paint_scene, pattern

SMALL = {"train": 40, "val": 24}


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def scenes(cache, split="val", **parameters):
    return open_data("scenes", split, root=cache, parameters={**SMALL, **parameters})


def images(parameters, count, split="val"):
    return [compose(parameters, split, index) for index in range(count)]


some_parameters = st.fixed_dictionaries(
    {
        "context": st.sampled_from(CONTEXTS),
        "size": st.sampled_from([[64, 64], [72, 96], [97, 70]]),
        "textures": st.integers(1, 4),
        "gap": st.integers(0, 7),
        "seed": st.integers(0, 2**40),
    }
).map(SceneParameters.parse)


def test_samples_are_images_with_labels(cache):
    data = scenes(cache, size=[48, 80], gap=4)
    sample = data[3]
    assert len(data) == 24
    assert sample.image.shape == (3, 48, 80)
    assert sample.image.dtype == torch.float32
    assert 0 <= sample.image.min() < 0.4 < sample.image.max() <= 1
    assert sample.labels.shape == (48, 80)
    assert sample.labels.dtype == torch.int64
    assert data.classes[:3] == ("ground", "key a", "key b")
    assert len(data.classes) == 1 + 2 + 3 * 2
    present = {int(label) for s in data for label in s.labels.unique()}
    assert present == set(range(len(data.classes)))
    with pytest.raises(IndexError):
        data[24]


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(tmp_path):
    first, again = scenes(tmp_path / "a"), scenes(tmp_path / "b")
    assert first.version == again.version
    assert all(torch.equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    other = scenes(tmp_path / "a", seed=1)
    assert other.version != first.version
    assert not torch.equal(other[0].image, first[0].image)


def test_a_sample_does_not_depend_on_how_many_there_are(tmp_path):
    few, many = scenes(tmp_path, val=3), scenes(tmp_path, val=6)
    assert all(torch.equal(few[i].image, many[i].image) for i in range(3))
    assert few.version != many.version
    assert few.version == scenes(tmp_path, val=3, train=41).version  # other split, no matter


def test_training_and_validation_are_different_images(cache):
    train, val = scenes(cache, "train"), scenes(cache, "val")
    assert train.version != val.version
    seen = {sample.labels.numpy().tobytes() for sample in train}
    assert not any(sample.labels.numpy().tobytes() in seen for sample in val)


def test_context_decides_everything():
    for kind in CONTEXTS:
        parameters = SceneParameters.parse({"context": kind, "keys": 1, "size": 80})
        for one in images(parameters, 12):
            seen = without_variants(one.labels, parameters)
            assert one.kind == kind
            assert (with_context(one.image, seen, parameters) == one.labels).all()


@settings(deadline=None, max_examples=25)
@given(some_parameters)
def test_what_decides_is_beyond_the_gap_of_every_region(parameters):
    one = compose(parameters, "train", 0)
    shown = np.argwhere((one.labels >= 1) & (one.labels <= parameters.variants))
    region = np.argwhere(one.labels > parameters.variants)
    assert len(region)
    away = np.abs(shown[:, None, :] - region[None, :, :]).max(-1)
    assert away.min() > parameters.gap


@settings(deadline=None, max_examples=25)
@given(some_parameters)
def test_exchanged_variants_change_no_pixel_but_those_of_keys(parameters):
    one = compose(parameters, "train", 0)
    exchanged = [
        replace(thing, variant=(thing.variant + 1) % parameters.variants) for thing in one.things
    ]
    before = paint_scene(one.things, parameters, Draw(5))
    after = paint_scene(exchanged, parameters, Draw(5))
    shown = (one.labels >= 1) & (one.labels <= parameters.variants)
    assert (before[~shown] == after[~shown]).all()
    assert (before[shown] != after[shown]).any()
    for thing in exchanged:  # and the exchanged image is one that the rule could have made
        if thing.form == "region":
            decider = deciding(thing.box, thing.tint, [t for t in exchanged if t.form != "region"])
            assert decider.variant == thing.variant


def test_paired_classes_have_the_same_statistics():
    # Means over regions of brightness, contrast, and correlation with neighbours: 300 images, about
    # 200 regions of each class; |z| > 4 has a chance of 6e-5 for each of 9 comparisons.
    parameters = SceneParameters.parse({"noise": 0.05})
    by_class: dict[int, list[tuple[float, float, float]]] = {}
    for one in images(parameters, 300):
        grey = one.image.mean(-1)
        for thing in one.things:
            if thing.form == "region":
                box = thing.box
                rows = slice(box.top, box.top + box.height)
                patch = grey[rows, box.left : box.left + box.width]
                inner = patch[2:-2, 2:-2] - patch[2:-2, 2:-2].mean()
                values = (patch.mean(), inner.std(), (inner[1:] * inner[:-1]).mean())
                by_class.setdefault(2 * thing.texture + thing.variant, []).append(values)
    arrays = {key: np.array(values) for key, values in by_class.items()}
    z = {}
    for first, second in ((0, 1), (2, 3), (4, 5), (0, 2)):
        a, b = arrays[first], arrays[second]
        error = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
        z[first, second] = np.abs(a.mean(0) - b.mean(0)) / error
    assert all(z[pair].max() < 4 for pair in ((0, 1), (2, 3), (4, 5)))
    assert z[0, 2].max() > 10  # the same statistics do tell textures apart


def test_a_pool_over_positions_knows_nothing_but_in_scenes_with_one_key():
    for kind in ("nearest", "enclosing", "category"):
        for one in images(SceneParameters.parse({"context": kind}), 10):
            shown = [thing.variant for thing in one.things if thing.form != "region"]
            assert sorted(shown) == [0, 1]
    for one in images(SceneParameters.parse({"context": "scene"}), 10):
        shown = [thing.variant for thing in one.things if thing.form != "region"]
        assert len(shown) == 1
        assert {t.variant for t in one.things} == set(shown)


def test_one_image_holds_both_variants_where_positions_or_contents_decide():
    for kind in ("nearest", "enclosing", "category"):
        mixed = [
            len({t.variant for t in one.things if t.form == "region"}) == 2
            for one in images(SceneParameters.parse({"context": kind}), 20)
        ]
        assert sum(mixed) > 5


def test_the_nearest_key_is_nearer_by_the_margin():
    parameters = SceneParameters.parse({"context": "nearest", "margin": 9, "size": 96, "keys": 2})
    for one in images(parameters, 10):
        keys = [thing for thing in one.things if thing.form == "key"]
        assert len(keys) == 4
        for region in (thing for thing in one.things if thing.form == "region"):
            away = [np.hypot(*np.subtract(k.box.centre, region.box.centre)) for k in keys]
            own = min(a for a, k in zip(away, keys, strict=True) if k.variant == region.variant)
            rest = min(a for a, k in zip(away, keys, strict=True) if k.variant != region.variant)
            assert rest - own >= 9


def test_kinds_are_mixed_by_weight(cache):
    data = scenes(cache, val=200, context={"scene": 3, "category": 1}, size=48, gap=2)
    share = data.kinds.count("scene") / 200
    assert set(data.kinds) == {"scene", "category"}
    assert share == pytest.approx(0.75, abs=0.12)


def test_equal_mixes_are_one_version():
    first = SceneParameters.parse({"context": {"scene": 1, "nearest": 1}})
    again = SceneParameters.parse({"context": {"nearest": 2.0, "scene": 2, "category": 0}})
    assert first.version("train") == again.version("train")
    assert first.version("train") != SceneParameters.parse({}).version("train")


@pytest.mark.parametrize("index", range(9))
def test_mirrored_patterns_are_the_same_pattern_at_another_phase(index):
    wave = pattern(index, (12, 15), (0.3, 0.8))
    length = WAVELENGTHS[index // 3]
    other = (0.3, -0.8 - 14 / length)
    assert np.allclose(wave[:, ::-1], pattern(index, (12, 15), other), atol=1e-5)


def test_patterns_differ_by_more_than_noise():
    # The highest correlation over phases, of windows of a key's size.
    shape = (7, 7)
    phases = [(a / 8, b / 8) for a in range(8) for b in range(8)]
    for first in range(9):
        for second in range(first):
            a = pattern(first, shape, (0.1, 0.2)).ravel()
            others = np.array([pattern(second, shape, p).ravel() for p in phases])
            scale = np.linalg.norm(a) * np.linalg.norm(others, axis=1)
            assert np.abs(others @ a / scale).max() < 0.97


def test_ovals_touch_the_sides_of_their_box():
    for one in images(SceneParameters.parse({}), 20):
        for thing in one.things:
            covered = mask(thing, SceneParameters())
            assert covered[0].any()
            assert covered[-1].any()
            assert covered[:, 0].any()
            assert covered[:, -1].any()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"texture": 3}, "did you mean textures?"),
        ({"textures": 10}, "from 1 to 9"),
        ({"variants": 1}, "from 2 to 4"),
        ({"textures": 2.5}, "give an integer"),
        ({"seed": True}, "give an integer"),
        ({"noise": "much"}, "give a number"),
        ({"noise": float("nan")}, "from 0 to 1"),
        ({"size": [64]}, "give two integers"),
        ({"size": 16}, "size of scenes"),
        ({"region_size": [9, 8]}, "region_size"),
        ({"context": "nearst"}, "did you mean nearest?"),
        ({"context": {}}, "weights"),
        ({"context": {"scene": 0}}, "weight 0"),
        ({"context": {"scene": -1}}, "at least 0"),
        ({"context": "enclosing", "gap": 12}, "no room"),
    ],
)
def test_wrong_parameters_say_what_to_write(cache, parameters, words):
    with pytest.raises(DataError, match=words):
        scenes(cache, **parameters)


def test_names_and_splits_are_checked():
    with pytest.raises(DataError, match="did you mean scenes"):
        open_data("scens", "train")
    with pytest.raises(DataError, match="train and val"):
        open_data("scenes", "test")  # type: ignore[arg-type]
    assert get_args(DataName)[0] == "scenes"


def test_an_observer_of_the_texture_alone_reaches_the_ceiling_and_no_more(cache):
    from harness.training.data.ceiling import ceiling

    data = scenes(cache, val=300)
    truth = data.labels.numpy()
    seen = without_variants(truth, data.parameters)
    region = seen > data.parameters.variants
    coin = np.random.default_rng(0).integers(0, 2, seen.shape)
    first = 1 + data.parameters.variants
    guess = np.where(region, first + 2 * (seen - first) + coin, seen)
    always = np.where(region, first + 2 * (seen - first), seen)
    limit = ceiling(data)
    classes = len(data.classes)
    assert limit.miou == pytest.approx(5 / 9, abs=0.002)
    assert mean_iou(guess, truth, classes) == pytest.approx(limit.miou, abs=0.003)
    assert mean_iou(always, truth, classes) < limit.miou - 0.04
