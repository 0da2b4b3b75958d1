"""Every command, file and example of README and docs, as a reader meets them.

A block of `bash` runs line by line, a block with a title is a file, a block of `python` without one
is an example. What a test cannot run, or has to shorten, says so in a comment before the block:
`<!-- test: replace "A" by "B" -->`, `<!-- test: exit 0, 3 -->`, `<!-- test: not run: REASON -->`,
`<!-- test: run by FILE -->`. A block marked `<!-- test: printed -->` holds lines that the last
command above it prints.
"""

import re
import shlex
from pathlib import Path

import pytest
import typer
from markdown_pages import PAGES, ROOT, Block, blocks, marker
from reader import Reader
from ruamel.yaml import YAML

from harness.cli.app import app
from harness.suite.schema import json_schema

PROGRAMS = ("harness", "make", "pip", "pytest", "python", "python3", "git", "mkdocs", "$")
COMMANDS = typer.main.get_command(app)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def followed(page: Path) -> bool:
    return any(block.language in ("bash", "python") for block in blocks(page))


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen commands each, on machines that do other things as well
@pytest.mark.parametrize("page", [page for page in PAGES if followed(page)], ids=name)
def test_a_page_can_be_followed_from_its_top_to_its_end(page, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    reader = Reader(folder)
    try:
        said = ""
        for block in blocks(page):
            said = follow(block, reader, said)
    finally:
        reader.leave()


def follow(block: Block, reader: Reader, before: str) -> str:
    """Do as a block says; what its last command printed, or the one before where it has none."""
    said = before
    if block.marker.printed:
        lines = [line.rstrip() for line in before.splitlines()]
        missing = [line for line in block.text.splitlines() if line.rstrip() not in lines]
        assert missing == [], f"{block.place}: what is printed is something else:\n{before}"
    elif block.title:
        reader.write(block.title, block.text)
    elif block.language == "python" and not block.marker.not_run:
        reader.python(block.text, block.place)
    elif block.language == "bash" and not (block.marker.not_run or block.marker.run_by):
        for command in block.commands():
            code, said = reader.run(command)
            assert code in block.marker.exits, f"{block.place}: {command}\nexit {code}\n{said}"
    return said


def all_blocks() -> list[Block]:
    return [block for page in PAGES for block in blocks(page)]


def test_no_command_stands_where_nothing_runs_it():
    for block in all_blocks():
        if block.language in ("bash", "python") or block.title:
            continue
        for line in block.text.splitlines():
            words = line.split()
            assert not (words and words[0] in PROGRAMS), f"{block.place}: {line}"
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(list(blocks(page))), f"{name(page)}: a fence not understood"


def test_what_is_not_run_says_why_and_names_commands_that_exist():
    left = [block for block in all_blocks() if block.marker.not_run]
    assert left
    for block in left:
        assert len(block.marker.not_run.split()) >= 4, block.place
        for command in block.commands() if block.language == "bash" else ():
            words = shlex.split(command, comments=True)
            if words[0] == "harness":
                check_call(words[1:], block.place)


def test_what_another_test_runs_is_run_there():
    handed = [block for block in all_blocks() if block.marker.run_by]
    assert handed
    for block in handed:
        source = (ROOT / block.marker.run_by).read_text()
        page = block.place.partition(":")[0]
        assert Path(page).name in source, f"{block.place}: {block.marker.run_by} does not read it"


def check_call(words: list[str], place: str) -> None:
    """Refuse a command, option or number of words that the command line would refuse."""
    command, path = COMMANDS, "harness"
    while words and words[0] in getattr(command, "commands", {}):
        path = f"{path} {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    assert not hasattr(command, "commands"), f"{place}: {path} {' '.join(words)}: no such command"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known, f"{place}: {path} has no {', '.join(sorted(given - known))}"


def test_commands_within_sentences_exist():
    found = 0
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for call in re.findall(r"`harness ([a-z][^`\n]*)`", text):
            check_call([word for word in re.split(r"[\s\[\]]+", call) if word], name(page))
            found += 1
    assert found >= 20


def test_keys_of_yaml_fragments_exist():
    known = set(json_schema()["properties"])
    found = 0
    for block in all_blocks():
        if block.language == "yaml" and not block.title:
            given = YAML(typ="safe", pure=True).load(block.text) or {}
            assert set(given) <= known, f"{block.place}: {set(given) - known}"
            found += bool(given)
    assert found


def test_a_marker_is_understood_or_refused():
    assert marker('replace "a b" by "c"; exit 0, 3', "x").replacements == (("a b", "c"),)
    assert marker('replace "a b" by "c"; exit 0, 3', "x").exits == (0, 3)
    with pytest.raises(AssertionError, match="nobody understands"):
        marker("skip", "x")
