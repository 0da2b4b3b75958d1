"""Modules in place of a suite: what they are read as, and the suite that they make."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.instantiate import names
from harness.messages import HarnessError
from harness.suite import reader
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.schema import json_schema
from harness.suite.shipped import FOLDER, shipped
from harness.suite.targets import Asked, read
from harness.suite.writer import suite_text


def asked(*names, with_=None, grid=None, **conditions):
    return Asked(
        read(names),
        with_ or {},
        grid or {},
        {"input": [1, 8, 6, 6], "measure": "params"} | conditions,
    )


def labels(*names):
    return [each.label for each in read(names)]


def refused(*names, **options):
    with pytest.raises(HarnessError) as error:
        loaded(*names, **options)
    return str(error.value)


def loaded(*names, **options):
    made = asked(*names, **options)
    try:
        return load(made.suite())
    except SuiteError as mistakes:
        raise made.told(mistakes) from None


def test_labels_are_given_or_the_names_of_classes():
    assert labels("interlaced", "blocks:Block", "ours=blocks:Block") == [
        *("interlaced", "Block", "ours"),
    ]
    assert labels("blocks:Block", "torch.nn:Linear") == ["Block", "Linear"]


def test_classes_of_one_name_are_told_apart_by_their_files(folder):
    (folder / "others.py").write_text("from blocks import Block\n")
    assert labels("blocks:Block", "others:Block", "ppm") == ["blocks:Block", "others:Block", "ppm"]


def test_a_suite_goes_first_and_a_label_makes_it_a_module(write):
    write("ppm.yaml", "suite: mine\n")
    assert read(["ppm"]) == Path("ppm.yaml")
    assert labels("ppm=ppm") == ["ppm"]
    assert read(["efficiency"]) == FOLDER / "efficiency.yaml"


def test_a_folder_does_not_hide_a_module(folder):
    (folder / "interlaced").mkdir()
    assert labels("interlaced") == ["interlaced"]


def test_no_shipped_suite_hides_a_module():
    assert not set(shipped()) & set(names())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["interlacd"], "no such file, shipped suite or module; did you mean interlaced? (all"),
        (["eficiency"], "did you mean efficiency or"),
        (["nowhere.yaml"], "nowhere.yaml: suite: no such file or shipped suite; check"),
        (["no/where"], "no/where: suite: no such file or shipped suite; check"),
        (["a=interlacd"], "a=interlacd: unknown module interlacd; did you mean interlaced?"),
        (["src/gate.py:Gate"], "src/gate.py:Gate: a path where the name of a Python file belongs; "
                               "write src.gate:Gate"),
        (["./gate.py:Gate"], "write gate:Gate"),
        (["ppm", "efficiency"], "efficiency: a suite beside modules; name either"),
        (["efficiency", "smoke"], "smoke: a second suite; run one after the other, or write one "
                                  "that has include: [efficiency, smoke]"),
        (["ppm", "ppm"], "ppm: 2 rows of that label; put a label of its own in front of each, "
                         "as in a=ppm"),
        (["a=ppm", "a=aspp"], "a: 2 rows of that label"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_measured(names, said):
    with pytest.raises(HarnessError) as error:
        read(names)
    assert said in str(error.value)


def test_options_go_to_every_module_or_to_the_one_that_they_name():
    made = asked(
        "a=blocks:Block", "b=blocks:Block", "ppm",
        with_={"a.scale": 2.0, "b.mode": "concat"},
        grid={"a.kernel_size": [1, 3], "dtype": ["float32", "float64"]},
    )  # fmt: skip
    cases = [(job.label, job.case.arguments, job.case.dtype) for job in load(made.suite()).jobs]
    scaled = {"scale": 2.0}
    assert cases == [
        ("a (kernel_size=1, dtype=float32)", scaled | {"kernel_size": 1}, "float32"),
        ("a (kernel_size=1, dtype=float64)", scaled | {"kernel_size": 1}, "float64"),
        ("a (kernel_size=3, dtype=float32)", scaled | {"kernel_size": 3}, "float32"),
        ("a (kernel_size=3, dtype=float64)", scaled | {"kernel_size": 3}, "float64"),
        ("b (dtype=float32)", {"mode": "concat"}, "float32"),
        ("b (dtype=float64)", {"mode": "concat"}, "float64"),
        ("ppm (dtype=float32)", {}, "float32"),
        ("ppm (dtype=float64)", {}, "float64"),
    ]


def test_an_option_that_names_a_module_goes_before_one_for_all():
    made = asked("a=blocks:Block", "b=blocks:Block", with_={"b.scale": 3.0, "scale": 2.0})
    assert [job.case.arguments for job in load(made.suite()).jobs] == [
        *({"scale": 2.0}, {"scale": 3.0}),
    ]


def test_the_whole_name_names_a_module_too():
    made = asked("ours=blocks:Block", with_={"blocks:Block.scale": 3.0})
    assert load(made.suite()).jobs[0].case.arguments == {"scale": 3.0}


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (["blocks:Block", "ppm"], {"with_": {"scale": 2.0}},
         "--with scale: ppm has no argument scale;"),
        (["blocks:Block", "ppm"], {"with_": {"scale": 2.0}},
         "; for Block alone write --with Block.scale=..."),
        (["blocks:Block"], {"with_": {"scal": 2.0}},
         "--with scal: blocks:Block has no argument scal; did you mean scale?"),
        (["a=blocks:Block"], {"with_": {"a.scale": "x"}},
         '--with a.scale: expected float as blocks:Block takes it, not "x"; correct the value'),
        (["blocks:Block"], {"with_": {"b.scale": 2.0}},
         "--with b.scale: no module is called b; the labels are Block"),
        (["blocks:Sized"], {}, "blocks:Sized: needs the argument width; add --with width=VALUE"),
        (["blocks:Nothing"], {}, "blocks:Nothing: blocks has no Nothing; the classes are"),
        (["nofile:Nothing"], {}, "nofile:Nothing: nofile cannot be imported"),
        (["blocks:Block"], {"grid": {"kernel": [1, 3]}},
         "--grid kernel: blocks:Block has no argument kernel; did you mean kernel_size?; axes of "
         "every module are input, dtype and pass"),
        (["blocks:Block"], {"grid": {"dtype": ["float23"]}},
         '--grid dtype: unknown value "float23"; did you mean'),
        (["blocks:Block"], {"grid": {"kernel_size": [1, 1]}},
         "--grid kernel_size: the axis already has the value 1; write each value once"),
        (["blocks:Block"], {"grid": {"kernel_size": [1]}, "with_": {"kernel_size": 3}},
         "--grid kernel_size: kernel_size has a fixed value here, too; keep the axis or the value"),
        (["blocks:Block"], {"grid": {"input": [[1, 8, 3, 3]]}},
         "--grid input: --input gives one already; leave one of the two"),
        (["blocks:Block"], {"grid": {"module": ["ppm"]}}, "--grid module: modules are no axis"),
        (["blocks:Block"], {"measure": ["speed"]}, '--metrics: unknown value "speed"'),
        (["blocks:Block"], {"threads": 0}, "--threads: expected at least 1, not 0"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_words_of_the_command_line(names, options, said):
    assert said in refused(*names, **options)


def test_a_mistake_of_one_option_is_told_once_for_each_module_that_has_it():
    said = refused("blocks:Block", "ppm", with_={"scale": "x"}).split("\n")
    assert [line.partition(" as ")[0][:40] for line in said] == [
        *("--with scale: expected float", "--with scale: ppm has no argument scale;"),
    ]
    assert not any("alone" in line for line in said)


@pytest.mark.parametrize(
    ("names", "suite"),
    [
        (["torch.nn:Linear"], "linear"),
        (["ours=blocks:Block", "ppm"], "ours-vs-ppm"),
        (["Größe 2=ppm"], "gr-e-2"),
        (["latest=ppm"], "modules"),
        (["注意=ppm"], "modules"),
        (["ppm", "aspp", "rcca", "danet", "fcn", "se"], "ppm-vs-aspp-vs-rcca-vs-danet-and-2-more"),
        (["x" * 200 + "=ppm"], "x" * 100),
    ],
)
def test_the_suite_is_called_after_its_rows(names, suite):
    made = asked(*names)
    assert made.name == suite
    if "Linear" not in names[0]:
        assert load(made.suite()).name == suite


def test_what_is_saved_gives_the_same_cases(write):
    made = asked(
        "blocks:Block", "ours, too=blocks:Open", "ppm",
        with_={"Block.rates": [1, 2, 3], "ours, too.a": 1e-7, "ours, too.b": "no",
               "ours, too.c": {"deep": [None, True, "a: b #c", "null", "1_0"]}},
        grid={"Block.kernel_size": [1, 3], "pass": ["inference", "training"],
              "ppm.bins": [[1], [1, 2]]},
        dtype="float64", threads=1, repeats=3, measure=["params", "latency"],
    )  # fmt: skip
    file = write("mine.yaml", suite_text(made.suite()))
    ours, saved = load(made.suite()), load(file)
    assert [job.identity for job in ours.jobs] == [job.identity for job in saved.jobs]
    assert [job.metrics for job in ours.jobs] == [job.metrics for job in saved.jobs]
    text = file.read_text()
    assert text.startswith("# yaml-language-server: $schema=suite.schema.json\nsuite: block-vs-")
    assert max(map(len, text.splitlines())) <= 100


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(
                st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=4
            ).filter(lambda key: key != "<<"),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(plain)
def test_any_value_is_read_as_it_was_written(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("written")
    suite = {"suite": "x", "title": value, "cases": [{"with": {"a": value}}]}
    (folder / "x.yaml").write_text(suite_text(suite), encoding="utf-8")
    document = reader.read_file(folder / "x.yaml")
    assert document.problems == []
    assert json.dumps(document.root.plain()) == json.dumps(suite)


def test_what_is_saved_fits_the_schema():
    Draft202012Validator(json_schema()).validate(
        asked("blocks:Block", "ppm", grid={"Block.scale": [1.0, 2.0]}, repeats=5).suite()
    )


def test_the_guide_shows_what_is_saved():
    page = (FOLDER.parent / "docs" / "guides" / "command-line-modules.md").read_text()
    made = asked(
        "ours=gate:Gate", "interlaced",
        grid={"ours.kernel_size": [1, 3]}, input=[1, 64, 32, 32], measure=["params", "flops"],
    )  # fmt: skip
    assert f"```yaml\n{suite_text(made.suite())}```" in page
