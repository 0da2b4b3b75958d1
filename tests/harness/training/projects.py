"""Small projects of users, each with a value that another of its files holds: `PROJECTS`.

The value scales what the module gives. In `Project.meaning` it is another one, in `Project.words`
every file of Python is described otherwise.
"""

import importlib
import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

HELPER = "VALUE = 2.0\n"


@dataclass(frozen=True)
class Project:
    """Files by their paths, the name of the module, and the one file that holds the value."""

    files: Mapping[str, str | bytes]
    holds: str
    module: str = "m:M"
    depends_on: tuple[str, ...] = ()
    other: bytes = field(
        default=b""
    )  # content of the file with another value; made of text if empty

    @property
    def meaning(self) -> dict[str, str | bytes]:
        """The files with another value."""
        before = self.files[self.holds]
        if isinstance(before, bytes):
            assert self.other, "bytes are given"
            return {**self.files, self.holds: self.other}
        assert before.count("2.0") == 1
        return {**self.files, self.holds: before.replace("2.0", "3.0")}

    @property
    def words(self) -> dict[str, str | bytes]:
        """The files with other comments, docstrings and layout, and one more that nothing uses."""
        own = {
            name: described(text) if isinstance(text, str) and name.endswith(".py") else text
            for name, text in self.files.items()
        }
        return {**own, "unrelated.py": "VALUE = 5.0\n"}


def described(text):
    inside = r'\1\2:\n\1    """Says what it is."""\n\n\1    # why it is so'
    text = re.sub(r"^( *)((?:def|class) .*):$", inside, text, flags=re.MULTILINE)
    return f'"""A file of mine."""\n\n# why\n\n{text}\n\n# the end\n'


def m(top="", *, value="VALUE", init="pass", body="pass"):
    """A file with a module that scales by a value."""
    return f"""{top}
from torch import nn


class M(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 1)
        {init}

    def forward(self, x):
        {body}
        return self.conv(x) * {value}
"""


def lone(top="", helper=HELPER, **more):
    return Project({"m.py": m(top, **more), "helper.py": helper}, "helper.py")


def package(top="", place="pkg/m.py", holds="pkg/helper.py", files=(), helper=HELPER, **more):
    own = {"pkg/__init__.py": "", place: m(top, **more), **dict(files)}
    module = place.removesuffix(".py").replace("/", ".")
    return Project({**own, holds: helper}, holds, f"{module}:M")


def reading(name, expression, content, other=b"", place="import", top="", depends_on=()):
    """A project that reads its value from a data file, at one of three moments."""
    top = f"from pathlib import Path\n{top}\nHERE = Path(__file__).parent\n"
    text = {
        "import": m(f"{top}VALUE = {expression}\n"),
        "init": m(top, init=f"self.value = {expression}", value="self.value"),
        "forward": m(top, body=f"value = {expression}", value="value"),
    }[place]
    return Project({"m.py": text, name: content}, name, depends_on=depends_on, other=other)


def array(value):
    file = io.BytesIO()
    np.save(file, np.full(1, value))
    return file.getvalue()


def tensor(value):
    file = io.BytesIO()
    torch.save(torch.full((1,), value), file)
    return file.getvalue()


BASE = """
from torch import nn


class Base(nn.Module):
    def scaled(self, x):
        return x * 2.0
"""
FROM_BASE = """
from base import Base
from torch import nn


class M(Base):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 1)

    def forward(self, x):
        return self.scaled(self.conv(x))
"""
DECORATOR = """
def scaled(function):
    def inner(self, x):
        return 2.0 * function(self, x)

    return inner
"""
FACTORY = """
from torch import nn


def make():
    class Made(nn.Module):
        def __init__(self, in_channels: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(in_channels, 4, 1)

        def forward(self, x):
            return self.conv(x) * 2.0

    return Made
"""
FROM_PATH = """
import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("of_mine", Path(__file__).with_name("helper.py"))
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
VALUE = module.VALUE
"""
PLUGINS = """
import importlib
import pkgutil

import plugins

VALUE = 1.0
for found in pkgutil.iter_modules(plugins.__path__):
    VALUE *= importlib.import_module("plugins." + found.name).VALUE
"""
IN_FRONT = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
from helper_of_lib import VALUE
"""
LAZY = """
import importlib


def __getattr__(name):
    return getattr(importlib.import_module("pkg.helper"), name)
"""
CONFIG = """
from dataclasses import dataclass


@dataclass
class Config:
    scale: float = 2.0
"""
SQLITE = "sqlite3.connect(HERE / 'v.db').execute('select v from t').fetchone()[0]"


def database(value):
    import sqlite3

    with sqlite3.connect(":memory:") as made:
        made.execute("create table t (v real)")
        made.execute("insert into t values (?)", [value])
        return made.serialize()


def machine_code(name):
    return Path(importlib.import_module(name).__file__).read_bytes()


PROJECTS = {
    "own file": Project({"m.py": m(value="2.0")}, "m.py"),
    "sibling": lone("import helper", value="helper.VALUE"),
    "name of a sibling": lone("from helper import VALUE"),
    "all names of a sibling": lone("from helper import *"),
    "third file": Project(
        {"m.py": m("from helper import VALUE"), "helper.py": "from third import VALUE\n",
         "third.py": HELPER}, "third.py",
    ),
    "package": package("from pkg.helper import VALUE"),
    "package by its name": package("import pkg.helper", value="pkg.helper.VALUE"),
    "relative": package("from .helper import VALUE"),
    "relative module": package("from . import helper", value="helper.VALUE"),
    "relative in forward": package(body="from .helper import VALUE"),
    "two levels up": package(
        "from ..helper import VALUE", "pkg/sub/m.py", files={"pkg/sub/__init__.py": ""}
    ),
    "start of the package": package("from . import VALUE", holds="pkg/__init__.py"),
    "package without start": Project(
        {"space/m.py": m("from space.helper import VALUE"), "space/helper.py": HELPER},
        "space/helper.py", "space.m:M",
    ),
    "handed on": Project(
        {"m.py": m("from pkg import VALUE"), "pkg/__init__.py": "from .inner.values import VALUE\n",
         "pkg/inner/__init__.py": "", "pkg/inner/values.py": HELPER}, "pkg/inner/values.py",
    ),
    "class above": Project({"m.py": FROM_BASE, "base.py": BASE}, "base.py"),
    "decorator": Project(
        {"m.py": m("from beside import scaled", value="1").replace(
            "    def forward", "    @scaled\n    def forward"), "beside.py": DECORATOR},
        "beside.py",
    ),
    "factory": Project(
        {"m.py": "import factory\n\nM = factory.make()\n", "factory.py": FACTORY}, "factory.py"
    ),
    "default of a dataclass": Project(
        {"m.py": m("from config import Config", init="self.config = Config()",
                   value="self.config.scale"), "config.py": CONFIG}, "config.py",
    ),
    "patched": Project(
        {"m.py": m("import values\nimport patch", value="values.VALUE"),
         "values.py": "VALUE = 1.0\n", "patch.py": "import values\n\nvalues.VALUE = 2.0\n"},
        "patch.py",
    ),
    "second choice": lone(
        "try:\n    from no_such import VALUE\nexcept ImportError:\n    from helper import VALUE"
    ),
    "import in forward": lone(body="import helper", value="helper.VALUE"),
    "importlib": lone("import importlib\nVALUE = importlib.import_module('helper').VALUE"),
    "importlib at construction": lone(
        "import importlib", init="self.helper = importlib.import_module('helper')",
        value="self.helper.VALUE",
    ),
    "importlib in forward": lone(
        "import importlib", body="helper = importlib.import_module('helper')",
        value="helper.VALUE",
    ),
    "__import__ in forward": lone(value="__import__('helper').VALUE"),
    "from a path": lone(FROM_PATH),
    "runpy": reading("helper.py", "runpy.run_path(HERE / 'helper.py')['VALUE']", HELPER,
                     top="import runpy"),
    "exec": lone(
        "from pathlib import Path\nexec(Path(__file__).with_name('helper.py').read_text())"
    ),
    "path in front": Project(
        {"m.py": m(IN_FRONT), "lib/helper_of_lib.py": HELPER}, "lib/helper_of_lib.py"
    ),
    "plugins": Project(
        {"m.py": m(PLUGINS), "plugins/__init__.py": "", "plugins/one.py": HELPER}, "plugins/one.py"
    ),
    "lazy names": package(
        place="m.py", top="import pkg", files={"pkg/__init__.py": LAZY}, value="pkg.VALUE"
    ),
    "YAML at import": reading(
        "v.yaml", "yaml.safe_load((HERE / 'v.yaml').read_text())['value']", "value: 2.0\n",
        top="import yaml",
    ),
    "JSON at construction": reading(
        "v.json", "json.loads((HERE / 'v.json').read_text())", "2.0", place="init",
        top="import json",
    ),
    "text in forward": reading(
        "data/v.txt", "float(open(HERE / 'data' / 'v.txt').read())", "2.0", place="forward"
    ),
    "array": reading(
        "v.npy", "float(np.load(HERE / 'v.npy')[0])", array(2.0), array(3.0),
        top="import numpy as np",
    ),
    "tensor": reading(
        "v.pt", "float(torch.load(HERE / 'v.pt'))", tensor(2.0), tensor(3.0), top="import torch"
    ),
    "pickle": reading(
        "v.pickle", "pickle.loads((HERE / 'v.pickle').read_bytes())", pickle.dumps(2.0),
        pickle.dumps(3.0), place="init", top="import pickle",
    ),
    "data of a package": Project(
        {"m.py": m("from importlib.resources import files\n"
                   "VALUE = float(files('pkg').joinpath('v.txt').read_text())"),
         "pkg/__init__.py": "", "pkg/v.txt": "2.0"}, "pkg/v.txt",
    ),
    "process": reading(
        "v.txt", "float(subprocess.check_output(['cat', HERE / 'v.txt']))", "2.0",
        top="import subprocess", depends_on=("v.txt",),
    ),
    # Libraries of Python's own in place of one that is compiled here; no value is read of them.
    "machine code": Project(
        {"m.py": m("import ctypes\nfrom pathlib import Path\n"
                   "LIBRARY = ctypes.CDLL(Path(__file__).with_name('beside.so'))", value="2.0"),
         "beside.so": machine_code("_ctypes")},
        "beside.so", depends_on=("m.py",), other=machine_code("_struct"),
    ),
    "database": reading(
        "v.db", SQLITE, database(2.0), database(3.0), top="import sqlite3", depends_on=("v.db",)
    ),
}  # fmt: skip
