"""Reference of the command line, from the objects that parse it."""

from typing import Any

import typer
from md_table import code, table

from harness.cli.app import app


def reference() -> str:
    """Every command with its arguments, options and what its docstring says."""
    group = typer.main.get_command(app)
    return "\n".join(_section(name, command) for name, command in _commands(group, "harness"))


def _commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found = []
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        found += _commands(command, path) if hasattr(command, "commands") else [(path, command)]
    return found


def _section(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}", f"```text\n{usage}\n```", _prose(command.help or "")]
    records = [(p, p.get_help_record(context)) for p in command.get_params(context)]
    for kind, head in (("argument", "Argument"), ("option", "Option")):
        rows = [
            (code(_names(record[0])), _prose(record[1]))
            for parameter, record in records
            if record and parameter.param_type_name == kind and "--help" not in parameter.opts
        ]
        if rows:
            parts.append(table((head, "Meaning"), rows))
    return "\n\n".join(parts) + "\n"


def _names(text: str) -> str:
    return " ".join(text.split())


def _prose(text: str) -> str:
    """Help as Markdown: lines joined to paragraphs, nothing taken for HTML."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(paragraphs).replace("<", "&lt;").replace("[", "\\[")
