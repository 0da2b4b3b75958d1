"""Results that are kept with the code: their tables, and what the documentation says of them."""

import io
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import pytest

import harness
from harness.present.plots.plot import look
from harness.present.write import named_plots

ROOT = Path(harness.__file__).parents[1]
sys.path.append(str(ROOT / "docs" / "generate"))
KEPT = ROOT / "results" / "ablations"
GRIDS = sorted(path.stem for path in (ROOT / "suites" / "ablations").glob("*.yaml"))
NAMES = [f"ablation-{name.replace('_', '-')}" for name in GRIDS if name != "smoke"]


import readme  # noqa: E402 - of a folder that is no package


def points(row):
    return [100 * row[name] for name in ("miou", "miou_low", "miou_high", "miou_ceiling")]


@pytest.fixture(scope="module")
def by_kind():
    """Rows of the mechanisms by kind of context and label."""
    found = {}
    for row in harness.load(KEPT / "ablation-mechanisms").rows():
        kind = row["suite"].rpartition("-")[2]
        found.setdefault(kind, {})[row["label"]] = row
    return found


def test_the_readme_shows_what_the_main_job_has_printed():
    """All parts of it, and the picture; `python docs/generate/readme.py` writes them anew."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- /") == len(readme.parts()) == 3
    assert readme.filled(text) == text
    assert readme.picture() == readme.PICTURE.read_bytes()


def test_every_grid_is_kept():
    assert sorted(path.name for path in KEPT.iterdir() if path.is_dir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_made_again_is_the_same_in_every_byte(name):
    run = harness.load(KEPT / name)
    kept = {path.name: path.read_bytes() for path in (KEPT / name / "tables").iterdir()}
    assert kept.keys() == {f"{table}.md" for table in run.tables()}
    for file, content in kept.items():
        again = run.table(Path(file).stem, format="markdown")
        assert again.encode() == content, f"harness show {KEPT / name} says something else now"


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_is_kept_with_its_caption(name):
    folder, run = KEPT / name / "plots", harness.load(KEPT / name)
    kept = {path.name for path in folder.iterdir() if path.suffix in (".svg", ".txt")}
    assert kept == {f"{plot}.{ending}" for plot in run.plots() for ending in ("svg", "txt")}
    for path in folder.glob("*.svg"):
        assert path.stat().st_size < 80_000, "it is in every clone"


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_made_again_is_the_same_in_every_byte(name):
    folder, run = KEPT / name / "plots", harness.load(KEPT / name)
    for part in run.suite.parts():
        for file, spec in named_plots(part).items():
            view = look(spec, part, run.part_rows(part), run.context)
            again = "".join(f"{line}\n" for line in (view.title, *view.notes))
            assert again.encode() == (folder / f"{file}.txt").read_bytes(), (
                f"harness show {KEPT / name} --plots says something else below {file} now"
            )


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("ablation-cpnet-prior-size", "ablation-cpnet-prior-size"),
        ("ablation-mechanisms", "ablation-mechanisms-scene"),
        ("ablation-ggcf-pruning", "ablation-ggcf-pruning-pareto"),
    ],
    ids=["line", "bar", "scatter"],
)
def test_a_plot_made_again_is_the_same(run, name):
    """In every byte of a figure; with another matplotlib, where letters stand differs."""
    kept = (KEPT / run / "plots" / f"{name}.svg").read_bytes()
    again = io.BytesIO()
    harness.load(KEPT / run).plot(name).savefig(again, format="svg")
    assert svg_texts(again.getvalue().decode()) == svg_texts(kept.decode())
    pinned = f"matplotlib=={version('matplotlib')}" in (ROOT / "constraints.txt").read_text()
    assert not pinned or again.getvalue() == kept


def test_a_line_plot_names_its_series_and_the_printed_ones():
    name = "ablation-cpnet-prior-size"
    shown = svg_texts((KEPT / name / "plots" / f"{name}.svg").read_text(encoding="utf-8"))
    assert {"branches = none", "branches = both", "mIoU (%)", "printed"} <= set(shown)


def svg_texts(svg):
    root = ET.fromstring(svg)
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", NAMES)
def test_all_cases_are_there_and_trained(name):
    rows = harness.load(KEPT / name).rows()
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["miou"] is not None and row["train_keys"] for row in rows)


def test_no_network_without_context_is_above_its_ceiling():
    rows = [row for name in NAMES for row in harness.load(KEPT / name).rows()]
    plain = [points(row) for row in rows if row["label"] == "FCN"]
    assert len(plain) >= 9
    assert [miou for miou, _, _, ceiling in plain if miou > ceiling] == []


def test_context_modules_exceed_the_plain_network_by_more_than_the_seeds_interval():
    rows = {row["label"]: row for row in harness.load(KEPT / "ablation-ocnet-attentions").rows()}
    _, _, highest, ceiling = points(rows.pop("FCN"))
    beyond = [label for label, row in rows.items() if points(row)[1] > max(highest, ceiling)]
    assert len(beyond) >= 3


def test_the_order_of_mechanisms_differs_between_kinds_by_more_than_the_intervals(by_kind):
    """As the explanation of the kinds of context says it."""

    def above(kind, better, worse):
        return points(by_kind[kind][better])[1] > points(by_kind[kind][worse])[2]

    assert above("scene", "Global pooling", "FCN")
    for kind in ("nearest", "enclosing", "category"):
        assert not above(kind, "Global pooling", "FCN")
    assert above("nearest", "Criss-cross attention", "Pyramid pooling")
    assert above("enclosing", "Pyramid pooling", "Global pooling")
    assert above("category", "Self-attention", "Pyramid pooling")
    assert not above("category", "Pyramid pooling", "FCN")
    assert not above("category", "Interlaced attention", "FCN")
