"""Each mistake that a suite file can have, with its whole line."""

import pytest

from harness.suite.document import SuiteError
from harness.suite.loader import load


def lines_of(path) -> list[str]:
    with pytest.raises(SuiteError) as error:
        load(path)
    assert len(error.value.problems) == len(str(error.value).splitlines())
    return str(error.value).splitlines()


def of_case(text: str) -> str:
    """A suite with one case, `text` as its line 3."""
    return f"suite: s\ncases:\n  - {{{text}}}\n"


BLOCK = 'module: "blocks:Block", input: [1, 8, 4, 4]'
GRID = 'suite: s\ninput: [1, 8, 4, 4]\nmodule: "blocks:Block"\n'

MISTAKES = {
    # the file
    "syntax": ("suite: s\na: b: c\n", "2:5: file: not YAML (mapping values"),
    "empty": ("# nothing\n", "1:1: file: empty; begin with suite: name"),
    "list": ("- suite\n", "1:1: file: expected a mapping at the top; begin with suite: name"),
    "two documents": ("suite: s\n---\nsuite: t\n", "2:1: file: a second document begins; keep"),
    "bad directive": ("%YAML 1.9\n---\nsuite: s\n", "1:1: file: not YAML (version minor part"),
    "control character": ("suite: s\nnote: \x07\n", "2:7: file: a control character; remove it"),
    "duplicate key": (
        f"suite: s\nseed: 1\ncases: [{{{BLOCK}}}]\nseed: 2\n",
        "4:1: seed: duplicate key, first written in line 2; keep one of the two",
    ),
    "nested duplicate": (
        of_case(f"{BLOCK}, with: {{scale: 1, scale: 2}}"),
        "cases.0.with.scale: duplicate key, first written in line 3; keep one of the two",
    ),
    "tag": (
        of_case(f"{BLOCK}, note: !!python/name:os.system x"),
        "cases.0.note: tags are not allowed; remove the !tag, write a plain value",
    ),
    "unknown alias": (of_case(f"{BLOCK}, note: *x"), "file: alias *x has no anchor before it; "),
    "alias in itself": ("suite: s\nnote: &x [*x]\n", "2:11: file: alias *x has no anchor"),
    "merge key": (
        f"suite: s\nwith: &d {{scale: 1}}\ncases:\n  - {{{BLOCK}, with: {{<<: *d}}}}\n",
        "cases.0.with: merge keys are not allowed; write the keys out",
    ),
    "key that is no text": (of_case(f"{BLOCK}, 1: 2"), "a key that is not text; write the key as"),
    "deep": ("suite: s\nnote: " + "[" * 40 + "]" * 40, "file: nested more than 32 levels deep; "),
    "bomb": (
        "suite: s\na: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
            for old, new in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "file: more than 200000 values, aliases written out; use a grid",
    ),
    "not finite": (of_case(f"{BLOCK}, timeout: .inf"), "no use for a number that is not finite; "),
    "float overflow": (of_case(f"{BLOCK}, timeout: 1e999"), "beyond the range of float64; write"),
    "long number": (of_case(f"{BLOCK}, seed: {'9' * 5000}"), "a number of 5000 characters; write"),
    # keys and values
    "unknown key": (
        f"suite: s\ncases:\n  - {{{BLOCK}}}\n  - inputt: 3\n    module: blocks:Block\n",
        "4:5: cases.1.inputt: unknown key; did you mean input?",
    ),
    "far from any key": (of_case(f"{BLOCK}, zzz: 1"), "cases.0.zzz: unknown key; the keys are au"),
    "structure": (
        of_case('module: "blocks:Block", input: [[1, 8], {shape: [4], dtype: int}]'),
        "3:37: cases.0.input: args[1]: unknown dtype int; write one of float16, ",
    ),
    "structure of no tensor": (
        of_case('module: "blocks:Block", input: {kwargs: {x: 3}}'),
        "3:37: cases.0.input: no tensor in it; write a shape, batch first",
    ),
    "large tensor of a structure": (
        of_case('module: "blocks:Block", input: {shape: [1099511627776, 2]}'),
        "cases.0.input: an input of more than 2**40 elements; check the shape, batch first",
    ),
    "unknown preparation": (
        of_case(f"{BLOCK}, prepare: [eval, 'blocks:fusd']"),
        "cases.0.prepare: blocks has no fusd",
    ),
    "unknown key of a table": (
        of_case(BLOCK) + "tables: [{columns: [label], titel: x}]\n",
        "4:29: tables.0.titel: unknown key; did you mean title?",
    ),
    "no name": (f"cases: [{{{BLOCK}}}]\n", "1:1: suite: missing required key; add suite: ..."),
    "bad name": (f"suite: A B\ncases: [{{{BLOCK}}}]\n", '1:8: suite: "A B" is no name; use a text'),
    "no module": (of_case("input: [1, 2]"), "3:5: cases.0.module: missing required key; add mod"),
    "grid, no module": ("suite: s\ngrid: {k: [1]}\n", "module: missing required key; add module"),
    "nothing": ("suite: s\n", "1:1: file: nothing to measure; add cases, module or include"),
    "no cases": ("suite: s\ncases: []\n", "2:8: cases: empty; fill it in or remove the key"),
    "null cases": ("suite: s\ncases:\ninput: 3\n", "3:8: input: expected a list, not 3; write [a"),
    "cases and grid": (
        of_case(BLOCK) + "grid: {scale: [1]}\n",
        "4:1: grid: stands beside cases; move grid into a case, or remove cases",
    ),
    "no input": (
        of_case('module: "blocks:Block"'),
        "3:5: cases.0.input: missing required key; add input: [B, C, H, W] here or",
    ),
    "bool is no int": (of_case(f"{BLOCK}, seed: true"), "seed: expected a whole number, not true;"),
    "text is no int": (of_case(f"{BLOCK}, seed: '1'"), 'seed: expected a whole number, not "1"; '),
    "float is no int": (of_case(f"{BLOCK}, seed: 1.0"), "seed: expected a whole number, not 1.0;"),
    "text is no number": (of_case(f"{BLOCK}, timeout: 1s"), 'expected a number, not "1s"; write a'),
    "number is no text": (
        of_case(f"{BLOCK}, label: 3"),
        "label: expected text, not 3; put it in q",
    ),
    "list is no mapping": (
        of_case(f"{BLOCK}, with: [1]"),
        "with: expected a mapping, not [1]; wri",
    ),
    "case is no mapping": (
        "suite: s\ncases: [ppm]\n",
        '2:9: cases.0: expected a mapping, not "ppm"',
    ),
    "timeout": (of_case(f"{BLOCK}, timeout: 0"), "timeout: expected greater than 0.0, not 0; corr"),
    "zero": (
        of_case('module: "blocks:Block", input: [1, 0, 4, 4]'),
        "3:41: cases.0.input.1: expected at least 1, not 0; correct the number",
    ),
    "one dimension": (of_case('module: "blocks:Block", input: [1]'), "fewer than 2 entries; add"),
    "six dimensions": (
        of_case('module: "blocks:Block", input: [1, 1, 1, 1, 1, 1]'),
        "cases.0.input: more than 5 entries; shorten it",
    ),
    "huge": (
        of_case('module: "blocks:Block", input: [65536, 65536, 512]'),
        "cases.0.input: an input of more than 2**40 elements; check the shape, batch first",
    ),
    "metric": (of_case(f"{BLOCK}, measure: [latancy]"), 'measure.0: unknown value "latancy"; did'),
    "metric name": (of_case(f"{BLOCK}, measure: stat"), 'unknown value "stat"; did you mean sta'),
    "device": (
        of_case(f"{BLOCK}, device: gpu"),
        'device: unknown value "gpu"; the values are auto',
    ),
    "convention": ("convention: flop\n" + of_case(BLOCK), '1:13: convention: unknown value "flop"'),
    "label of two lines": (of_case(f'{BLOCK}, label: "a\\nb"'), "label: a line break or control"),
    "surrogate": (of_case(f'{BLOCK}, note: "\\ud800"'), "half of a surrogate pair; write the char"),
    "plot": (
        of_case(BLOCK) + "plots: [{kind: scatter, y: flops}]\n",
        "4:9: plots.0: a scatter plot needs x; correct the value",
    ),
    # modules
    "unknown module": (of_case("module: no_such, input: [1, 2]"), "3:14: cases.0.module: unknown"),
    "no file": (
        of_case('module: "no_such.file:Class", input: [1, 2]'),
        "cases.0.module: no_such.file cannot be imported (ModuleNotFoundError: No module named",
    ),
    "no class": (
        of_case('module: "blocks:Blok", input: [1, 2]'),
        "cases.0.module: blocks has no Blok; did you mean Block?",
    ),
    "no nn.Module": (
        of_case('module: "blocks:NUMBER", input: [1, 2]'),
        "blocks:NUMBER is no torch.nn.Module; name a class derived from nn.Module",
    ),
    "no target": (
        of_case('module: "blocks:", input: [1, 2]'),
        "cases.0.module: blocks: names no class; write package.file:Class",
    ),
    # arguments
    "unknown argument": (
        of_case(f"{BLOCK}, with: {{kernel_sise: 3}}"),
        "3:58: cases.0.with.kernel_sise: blocks:Block has no argument kernel_sise; did you mean k",
    ),
    "unknown axis": (
        GRID + "grid: {kernel_sise: [3, 5]}\n",
        "4:8: grid.kernel_sise: blocks:Block has no argument kernel_sise; did you mean kern",
    ),
    "unknown default": (
        "with: {scal: 3}\n" + of_case(BLOCK),
        "1:8: with.scal: no case's module has this argument; did you mean scale?",
    ),
    "missing argument": (
        of_case('module: "blocks:Sized", input: [1, 8, 4, 4]'),
        "3:5: cases.0.with: blocks:Sized needs the argument width; add width to with",
    ),
    "argument of a module without any": (
        of_case('module: "blocks:Bare", input: [1, 2], with: {a: 1}'),
        "blocks:Bare has no argument a; leave it out, there are no arguments here",
    ),
    "argument type": (
        of_case(f"{BLOCK}, with: {{kernel_size: three}}"),
        'with.kernel_size: expected int as blocks:Block takes it, not "three"; correct the value',
    ),
    "argument bool": (
        of_case(f"{BLOCK}, with: {{kernel_size: true}}"),
        "expected int as blocks:Bl",
    ),
    "argument tuple": (
        of_case(f"{BLOCK}, with: {{rates: [1, x]}}"),
        "expected list of int as bloc",
    ),
    "argument literal": (
        of_case(f"{BLOCK}, with: {{mode: mean}}"),
        "with.mode: expected one of 'sum', 'concat' as blocks:Block takes it, not \"mean\"; corr",
    ),
    "default type": ("with: {scale: x}\n" + of_case(BLOCK), "1:15: with.scale: expected float as"),
    "axis type": (GRID + "grid: {scale: [1, x]}\n", "4:19: grid.scale.1: expected float as blocks"),
    # grids
    "empty axis": (GRID + "grid: {scale: []}\n", "4:15: grid.scale: empty; fill it in or remove"),
    "axis is no list": (
        GRID + "grid: {scale: 3}\n",
        "4:15: grid.scale: expected a list, not 3; wr",
    ),
    "unequal zip": (
        GRID + "zip: {scale: [1, 2], kernel_size: [3]}\n",
        "4:1: zip: axes of unequal length (scale has 2, kernel_size has 1); give each the same",
    ),
    "axis twice": (
        GRID + "grid: {scale: [1]}\nzip: {scale: [1]}\n",
        "5:7: zip.scale: scale is an axis of grid, too; keep it in one of the two",
    ),
    "axis and value": (
        of_case(f"{BLOCK}, with: {{scale: 1}}, grid: {{scale: [1]}}"),
        "cases.0.grid.scale: scale has a fixed value here, too; keep the axis or the value",
    ),
    "input and axis": (
        of_case(f"{BLOCK}, grid: {{input: [[1, 2]]}}"),
        "cases.0.grid.input: input has a fixed value here, too; keep the axis or the value",
    ),
    "value twice": (
        GRID + "grid: {scale: [1, 1]}\n",
        "4:19: grid.scale.1: the axis already has th",
    ),
    "bad input axis": (
        'suite: s\nmodule: "blocks:Block"\ngrid: {input: [[1, 0]]}\n',
        "3:20: grid.input.0.1: expected at least 1, not 0; correct the number",
    ),
    "bad dtype axis": (GRID + "grid: {dtype: [float33]}\n", 'grid.dtype.0: unknown value "float33'),
    "exclude nothing": (
        GRID + "grid: {scale: [1, 2]}\nexclude: [{scale: 3}]\n",
        "5:11: exclude.0: matches no combination; correct its values or remove it",
    ),
    "exclude 1 is not true": (
        GRID + "grid: {scale: [1, 2]}\nexclude: [{scale: true}]\n",
        "exclude.0: matches no combination",
    ),
    "exclude all": (
        GRID + "grid: {scale: [1, 2]}\nexclude: [{scale: 1}, {scale: 2}]\n",
        "5:1: exclude: no combination is left; exclude fewer combinations",
    ),
    "exclude unknown": (
        GRID + "grid: {scale: [1, 2]}\nexclude: [{scal: 1}]\n",
        "5:12: exclude.0.scal: unknown axis; did you mean scale?",
    ),
    "exclude without grid": (
        GRID + "exclude: [{scale: 1}]\n",
        "exclude: nothing to exclude from; ",
    ),
    "too many": (
        GRID + f"grid: {{scale: {list(range(200))}, kernel_size: {list(range(200))}}}\n",
        "grid: 40000 combinations, 20000 more cases are allowed; take fewer values or split",
    ),
    # labels
    "label twice": (
        of_case(f"{BLOCK}, label: A") + f"  - {{{BLOCK}, label: A}}\n",
        "4:58: cases.1.label: duplicate label A, as cases.0; give it a label of its own",
    ),
    "label without all axes": (
        GRID + 'label: "{scale}"\ngrid: {scale: [1, 2], kernel_size: [1, 3]}\n',
        "4:8: label: duplicate label 1, as the same label; name every axis in the label",
    ),
    "unknown field": (
        GRID + 'label: "k={scal}"\ngrid: {scale: [1, 2]}\n',
        "4:8: label: unknown axis scal; did you mean scale?",
    ),
    "attribute": (
        GRID + 'label: "{scale.real}"\ngrid: {scale: [1]}\n',
        "label: unknown axis scale.",
    ),
    "format": (
        GRID + 'label: "{scale:>9}"\ngrid: {scale: [1]}\n',
        "label: {scale} has a format; wr",
    ),
    "brace": (
        GRID + 'label: "{scale"\ngrid: {scale: [1]}\n',
        "4:8: label: not a template (expected",
    ),
    # names of files
    "table outside": (
        of_case(BLOCK) + "tables: [{name: ../x, columns: [label]}]\n",
        "4:17: tables.0.name: '../x' cannot be a file name; use letters, digits, - and _",
    ),
    "hidden plot": (
        of_case(BLOCK) + "plots: [{kind: bar, y: params, name: .x}]\n",
        "plots.0.name: '.x' cannot be a file name; use letters, digits, - and _",
    ),
    "long name": (
        of_case(BLOCK) + f"tables: [{{name: {'x' * 300}, columns: [label]}}]\n",
        "... is too long for a file name; use 100 characters at most",
    ),
    "reserved suite": (
        of_case(BLOCK).replace("suite: s", "suite: latest"),
        "1:8: suite: latest stands for the run that was started last; choose another name",
    ),
    # includes
    "no include": (of_case(BLOCK) + "include: [a, t.yaml]\n", "4:11: include.0: no such file: a; "),
    "itself": (
        of_case(BLOCK) + "include: [s.yaml]\n",
        "include loop: s.yaml -> s.yaml; remove one",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place_and_its_cure(write, name):
    text, expected = MISTAKES[name]
    lines = lines_of(write("s.yaml", text.replace("\r", "")))
    assert any(line.startswith("s.yaml:") and expected in line for line in lines), lines
    alone = {"list", "null cases", "bomb", "no include"}
    assert name in alone or len(lines) == 1, lines


def test_all_mistakes_of_all_files_come_at_once_in_file_order(write):
    write("b.yaml", "suite: b\ninput: [1, 8, 4, 4]\ncases:\n  - {module: 'blocks:Blok'}\n  - {}\n")
    text = (
        "suite: a\ninputt: 3\ninclude: [b.yaml]\ncases:\n"
        f"  - {{{BLOCK}, with: {{scal: 1}}}}\n  - {{{BLOCK}, seed: x}}\n"
    )
    lines = lines_of(write("a.yaml", text))
    assert [line.split(": ")[1] for line in lines] == [
        "inputt",
        "cases.0.with.scal",
        "cases.1.seed",
        "cases.0.module",
        "cases.1.module",
    ]
    assert [line.partition(":")[0] for line in lines] == ["a.yaml"] * 3 + ["b.yaml"] * 2


def test_a_mistake_in_a_grid_is_reported_once(write):
    text = GRID + "with: {scale: x}\ngrid: {kernel_size: [1, 3, 5], mode: [sum, mean]}\n"
    places = [line.split(": ")[1] for line in lines_of(write("s.yaml", text))]
    assert places == ["with.scale", "grid.mode.1"]


def test_a_default_is_not_called_unused_while_a_case_is_wrong(write):
    text = f"suite: s\nwith: {{width: 3}}\ncases:\n  - {{{BLOCK}}}\n  - {{modul: x}}\n"
    assert [line.split(": ")[1] for line in lines_of(write("s.yaml", text))] == ["cases.1.modul"]


def test_a_loop_of_includes_is_shown_as_a_chain(write):
    for one, other in (("a", "b"), ("b", "c"), ("c", "b")):
        write(f"{one}.yaml", f"suite: {one}\ninclude: [{other}.yaml]\n")
    expected = (
        "c.yaml:2:11: include.0: include loop: b.yaml -> c.yaml -> b.yaml; remove one of these"
    )
    assert lines_of(write("a.yaml", "suite: a\ninclude: [b.yaml]\n")) == [f"{expected} includes"]


def test_suites_that_run_together_have_names_and_files_of_their_own(write):
    case = "input: [1, 2]\ncases: [{module: 'blocks:Bare'}]\n"
    write("b.yaml", "suite: a\n" + case)
    write("c.yaml", "suite: c\n" + case)
    assert lines_of(write("a.yaml", "suite: a\ninclude: [b.yaml, c.yaml, ./c.yaml]\n")) == [
        "a.yaml:2:27: include.2: c.yaml is already included; include each file once",
        "b.yaml:1:8: suite: another suite of this run is called a (a.yaml); "
        "give each suite a name of its own",
    ]


def test_a_file_that_raises_while_imported_is_one_line(write):
    write("broken.py", 'raise RuntimeError("first\\nsecond")\n')
    write("leaves.py", "raise SystemExit(3)\n")
    text = "suite: s\ninput: [1, 2]\ncases: [{module: 'broken:A'}, {module: 'leaves:A'}]\n"
    first, second = lines_of(write("s.yaml", text))
    assert "broken cannot be imported (RuntimeError: first second); check the name" in first
    assert "leaves cannot be imported (SystemExit: 3); check the name" in second


def test_bytes_folders_and_large_files(write, folder, monkeypatch):
    (folder / "latin.yaml").write_bytes("suite: s\nnote: été \n".encode("latin-1"))
    (folder / "large.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    assert lines_of(folder / "latin.yaml") == [
        "latin.yaml:2:7: file: not UTF-8; save the file as UTF-8"
    ]
    assert "file: larger than 1048576 bytes; split it" in lines_of(folder / "large.yaml")[0]
    assert "this is a directory; give the path" in lines_of(folder)[0]
    assert (
        "nowhere.yaml: suite: no such file or shipped suite; check"
        in lines_of(folder / "nowhere.yaml")[0]
    )
    (folder / "loop.yaml").symlink_to("loop.yaml")
    assert "loop.yaml:1:1: file: cannot be read (" in lines_of(folder / "loop.yaml")[0]
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert lines_of(folder / "latin.yaml")[0].startswith(f"{folder}/latin.yaml:2:7")
