"""The suites that come with the project: each loads, and shows only what exists."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import harness
from harness.judge.printed import load_table
from harness.judge.verdict import reference_table, unmatched
from harness.present.check import check
from harness.records.quantities.derived import sweep_name
from harness.suite.loader import load
from harness.suite.reader import read_file
from harness.suite.tree import read

ROOT = Path(harness.__file__).parents[1]
RECIPES = ROOT / "suites" / "recipes"  # of trainings, which are no suites
SUITES = sorted(p for p in (ROOT / "suites").rglob("*.yaml") if RECIPES not in p.parents)
PAPERS = sorted((ROOT / "results" / "paper").glob("*.yaml"))
every = pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)

# Printed rows beside which no case stands, and why.
LEFT_OUT = {
    "srnet-components": {"miou=74.8"},  # the network without the module
    # The map stands on a backbone that sees a few pixels, on purpose: depth would undo that.
    "ablation-cpnet-components": {
        "ResNet-101 + ContextPriorLayer",
        "ResNet-101 + ContextPriorLayer_MS",
    },
    "ablation-srnet-operations": {"miou=74.8"},
    "emanet-table1": {"DeeplabV3+"},
    "hamburger-networks": {"OCRNet", "DNL", "HamNet", "HamNet+"},  # they stand in modern-networks
    "imgclsmob-blocks": {"BAM-ResNet-50", "CBAM-ResNet-50"},
}
# Labels that stand in a table of the paper other than the reference's.
ROWS_OF = {"ggcf-efficiency": ("ggcf", "table1")}


def parts(path: Path):
    """The suites of one file, those that it includes apart."""
    return [part for part in load(path).parts() if part.path.samefile(path)]


def test_there_are_suites_and_papers():
    assert {path.stem for path in SUITES} >= {
        "efficiency", "ocnet_table4", "srnet_table3", "srnet_table5", "ranet_table3",
        "ggcf_efficiency", "cpnet_cost",
    }  # fmt: skip
    assert {path.stem for path in PAPERS} == {
        "ccnet", "cpnet", "emanet", "ggcf", "hamburger", "hrnet", "imgclsmob", "mechanisms",
        "mmsegmentation", "ocnet", "ranet", "srnet", "timm", "torchvision",
    }  # fmt: skip


@every
def test_suite_loads_and_names_only_what_exists(path):
    suite = load(path, check=check)
    assert suite.all_jobs()
    for part in suite.parts():
        assert part.tables, f"{part.name} shows no table"
        assert part.title
        labels = [(job.label, job.replicate) for job in part.jobs]
        assert len(set(labels)) == len(labels)


def test_names_of_suites_are_those_of_their_files():
    """Folders may stand in front; run directories go by these names, so each is taken once."""
    names = [read(read_file(path), path.parent).spec.suite for path in SUITES]
    assert len(set(names)) == len(names)
    for name, path in zip(names, SUITES, strict=True):
        assert name.endswith(path.stem.replace("_", "-"))


@every
def test_suite_is_found_from_any_folder(path, tmp_path, monkeypatch):
    """Printed figures are looked up from the suite file, not from where the command runs."""
    expected = [job.case.key for job in load(path).all_jobs()]
    monkeypatch.chdir(tmp_path)
    assert [job.case.key for job in load(path).all_jobs()] == expected


@every
def test_labels_are_exactly_those_that_the_paper_prints(path):
    """Row names of `results/paper` beside labels of the suite, except where the suite maps them."""
    for part in parts(path):
        table = reference_table(part)
        if table is None or part.reference is None:
            continue
        blank = [{"label": job.label, "factors": dict(job.factors)} for job in part.jobs]
        assert set(unmatched(blank, part)) == LEFT_OUT.get(part.name, set()), part.name
        if any(each.over for each in part.reference.figures.values()):  # one printed row per sweep
            assert {sweep_name(row) for row in blank} == set(table.names), part.name
            continue
        if part.reference.match or part.reference.rows:
            continue
        known = set(table.names)
        if part.name in ROWS_OF:
            known |= set(load_table(*ROWS_OF[part.name], path.parent).names)
        relative = {spec.relative_to for spec in part.reference.figures.values()}
        assert {job.label for job in part.jobs} - relative <= known, part.name


@every
def test_every_reason_speaks_of_a_printed_row(path):
    """A reason for a row without a printed figure would never be shown."""
    for part in parts(path):
        table = reference_table(part)
        if table is None or part.reference is None:
            continue
        printed = {row.name: row.figures.keys() for row in table.rows}
        for key, spec in part.reference.figures.items():
            for label in (*spec.explained, *spec.not_reproducible):
                assert key in printed[part.reference.rows.get(label, label)], (part.name, label)


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_every_printed_table_can_be_read(path):
    for key in YAML(typ="safe").load(path)["tables"]:
        table = load_table(path.stem, key, path.parent)
        assert table.rows
        assert table.caption
        unnamed = [row for row in table.rows if row.name is None]
        assert not unnamed or len(unnamed) == len(table.rows), f"{key}: a row without its name"
        # Rows of one name differ in what they are about, such as a number of groups.
        texts = [str((row.name, row.texts, row.figures)) for row in table.rows]
        assert len(set(texts)) == len(texts), f"{key}: a row twice"
