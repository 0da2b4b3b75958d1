"""What a measured module is made of: the files that it imports and reads, as hashes.

The process of a case notes them as they are opened, so that imports inside functions, through
importlib or of files that no package holds are all found. Later the same files are hashed again:
where one has changed, the number is of another module.
"""

import hashlib
import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from importlib.util import source_from_cache
from pathlib import Path
from typing import TYPE_CHECKING

import context_modules
from harness.case import Used
from harness.environment.source import INSTALLED, Named, code_of, named

if TYPE_CHECKING:
    from torch import nn

ABSENT = "absent"
"""In place of the hash of a file that was looked for and was not there."""

ENDLESS = "too many files"
"""In place of the hash of a folder that is not looked through; it is never the same."""

_MOST_FILES = 200_000
_LARGE = 1 << 28  # bytes, from which on size and time stand for the content
_MODULES = context_modules.__path__[0]
# Of Python and of this project, wherever a suite lies.
_NEVER = (
    *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib")),
    *(f"{folder}/" for folder in (Path(__file__).parents[1], _MODULES, os.path.realpath(_MODULES))),
)
# Of the machine, and what compilers keep for the next time, unless a suite lies there.
_MACHINE = (
    "/System/",
    "/Library/",
    "/proc/",
    "/sys/",
    "/dev/",
    "/etc/",
    "/usr/",
    "/lib",
    "/bin/",
    f"{sys.base_prefix}/",
)
_KEPT = ("~/.cache/", "~/.triton/", "~/.nv/")
_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "CUDA_CACHE_PATH")
_WITH_VERSIONS = {"torch", "torchvision", "numpy", "triton"}  # known by their versions, and large

Told = Callable[[Used], None]


class _Notes:
    """What has been opened so far in this process; there is one, in processes of cases."""

    def __init__(self, search_path: Sequence[str], told: Told) -> None:
        self.search_path = tuple(search_path)
        self.told = told
        self.files: dict[str, str] = {}  # by absolute path: hash of what it was when it was used
        self.roots: set[Named] = set()  # definitions of this project
        self.opened: dict[str, None] = {}  # paths that are not hashed yet
        self.written: set[str] = set()
        self.mapped: set[str] = set()  # libraries in machine code that were looked at
        self.starts: set[str] = set()  # what it has begun that cannot be followed
        self.building = False  # whether data that is read belongs to the module
        self.deaf = False  # while files are read to be hashed

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Of an audit hook (PEP 578); it may raise nothing."""
        if event == "open" and not self.deaf:
            with suppress(Exception):
                path, mode, flags = arguments
                self._opened(_absolute(os.fsdecode(path)), mode, flags)  # type: ignore[arg-type]
        elif event in _UNFOLLOWED and self.building:
            self.starts.add(_UNFOLLOWED[event])

    def _opened(self, path: str, mode: object, flags: object) -> None:
        writes = isinstance(flags, int) and (flags & os.O_ACCMODE) != os.O_RDONLY
        if writes or (isinstance(mode, str) and mode[:1] in ("w", "a", "x")):
            self.written.add(path)
            return
        if path.endswith(".pyc"):
            path = source_from_cache(path)
        if self.building or path.endswith((".py", *EXTENSION_SUFFIXES)):
            self.opened[path] = None

    def take(self, also: Iterable[str] = ()) -> Used:
        """Hash what was opened since the last time, and tell of everything.

        Args:
            also: absolute paths of what counts whoever reads it.
        """
        self.deaf = True
        try:
            for path in also:
                self.files.setdefault(path, _read(path)[0])
            theirs = [path for path in (*self.opened, *self._mapped()) if self._is_theirs(path)]
            self.opened.clear()
            for path in theirs:
                digest, roots = _read(path)
                self.roots.update(roots)
                if digest != ABSENT or self._is_beside(path):
                    self.files.setdefault(path, digest)
                if ".so" in Path(path).suffixes:
                    self.starts.add(f"runs machine code ({Path(path).name})")
        finally:
            self.deaf = False
        base = self.search_path[0] if self.search_path else None
        files = {_shown(path, base): digest for path, digest in sorted(self.files.items())}
        begins = tuple(sorted(f"{module}:{name}" for module, name in self.roots))
        return Used(files, begins, tuple(sorted(self.starts)))

    def _mapped(self) -> list[str]:
        """Libraries in machine code, however they were loaded."""
        if not self.search_path:
            return []
        with suppress(OSError):
            lines = Path("/proc/self/maps").read_text().splitlines()
            paths = {"/" + line.partition("/")[2] for line in lines if ".so" in line}
            new = sorted(paths - self.mapped)  # PyTorch alone maps dozens
            self.mapped |= paths
            return [path for path in new if Path(path).is_file()]
        return []

    def _is_theirs(self, path: str) -> bool:
        known = path in self.files or path in self.written
        if known or path.startswith(_NEVER) or not INSTALLED.isdisjoint(path.split("/")):
            return False
        if Path(path).is_dir():
            return False
        return self._is_beside(path) or not path.startswith(_not_theirs())

    def _is_beside(self, path: str) -> bool:
        return any(map(Path(path).is_relative_to, self.search_path))


_UNFOLLOWED = {
    "subprocess.Popen": "starts a process", "os.system": "starts a process",
    "os.posix_spawn": "starts a process", "socket.connect": "reads from the network",
    "sqlite3.connect": "opens a database",
}  # fmt: skip

_notes: _Notes | None = None


def begin(search_path: Sequence[str], told: Told) -> None:
    """Note from now on what this process imports and reads; only in processes of cases.

    Args:
        search_path: folders of a user's own modules, that of the suite first; without one there is
            nothing to note but what is built.
        told: called with what is known once a module is built, before it is run: what runs may
            end the process.
    """
    global _notes
    before, _notes = _notes, _Notes(search_path, told)
    if before is not None:  # what was imported for the case before is not imported again
        code = (".py", *EXTENSION_SUFFIXES)
        _notes.files.update(each for each in before.files.items() if each[0].endswith(code))
        _notes.mapped |= before.mapped
    if search_path:
        _listen()


@cache
def _listen() -> None:
    """Once: an audit hook is of the process, and cannot be taken away."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _notes is not None:
        _notes.hear(event, arguments)


@contextmanager
def building() -> Iterator[None]:
    """Data files that are read in this block, by imports and constructors, belong to the module."""
    if _notes is None:
        yield
        return
    before, _notes.building = _notes.building, True
    try:
        yield
    finally:
        _notes.building = before


def built(module: "nn.Module", arguments: Iterable[object] = ()) -> None:
    """A module was made: its classes count, and files that its arguments name."""
    if _notes is None:
        return
    first = not _notes.files and not _notes.roots
    for kind in {type(part) for part in module.modules()}:
        if kind.__module__.partition(".")[0] == context_modules.__name__:
            _notes.roots.add(named(kind))
    # Weights are read by code that no audit hook hears of.
    texts = [each for each in arguments if isinstance(each, str) and Path(each).is_file()]
    used = _notes.take(map(_absolute, [*texts, *_package_of(type(module).__module__)]))
    if first:
        _notes.told(used)


def used(also: Iterable[str] = ()) -> Used:
    """What was noted in this process; nothing where `begin` was not called.

    Args:
        also: absolute paths of further files and folders that count.
    """
    return Used() if _notes is None else _notes.take(also)


def changed(
    files: Mapping[str, str], search_path: Sequence[str], known: dict[str, str]
) -> list[str]:
    """Which of the files of `Used` are others now, or would not be the ones that are imported.

    Args:
        files: hashes by path, as `Used` has them.
        search_path: folders of a user's own modules, that of the suite first.
        known: hashes of now by absolute path, added to; for many questions at one moment.
    """
    base = search_path[0] if search_path else "."
    found = []
    for shown, digest in files.items():
        path = str(Path(base, shown))
        if path not in known:
            known[path] = _read(path)[0]
        if (
            known[path] != digest
            or digest == ENDLESS
            or not _is_found_first(Path(path), search_path)
        ):
            found.append(shown)
    return found


def _is_found_first(path: Path, search_path: Sequence[str]) -> bool:
    """Whether an import of its top-level name leads to a file, and to none that came later."""
    around = [each for each in search_path if path.is_relative_to(each)]
    if path.suffix != ".py" or not around:
        return True
    folder = max(around, key=len)
    name = path.relative_to(folder).parts[0].removesuffix(".py")
    spec = PathFinder.find_spec(name, list(search_path))
    if spec is None:
        return True  # loaded by its path
    places = spec.submodule_search_locations or [spec.origin or ""]
    return any(path.is_relative_to(each) for each in places)


def _read(path: str) -> tuple[str, list[Named]]:
    """Hash of a file or folder, and the definitions of this project that its code imports."""
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            return _of_folder(path), []
        if not stat.S_ISREG(status.st_mode):  # to read a device or a pipe may have no end
            return ABSENT, []
        if status.st_size > _LARGE:
            return _hash(f"{status.st_size} {status.st_mtime_ns}".encode()), []
        content = Path(path).read_bytes()
    except OSError:
        return ABSENT, []
    if not path.endswith(".py") or not INSTALLED.isdisjoint(Path(path).parts):
        return _hash(content), []
    code, imported = code_of(content)
    own = [each for each in imported if each[0].partition(".")[0] == context_modules.__name__]
    return _hash(code.encode()), own


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _of_folder(path: str) -> str:
    """Hash of names, sizes and times: a folder may hold a data set."""
    lines: list[str] = []
    for folder, folders, names in os.walk(path):
        folders[:] = [n for n in folders if not n.startswith(".") and n != "__pycache__"]
        for name in names:
            with suppress(OSError):
                status = Path(folder, name).stat()
                below = Path(folder, name).relative_to(path)
                lines.append(f"{below} {status.st_size} {status.st_mtime_ns}")
        if len(lines) > _MOST_FILES:
            return ENDLESS
    return _hash("\n".join(sorted(lines)).encode())


def _package_of(module: str) -> list[str]:
    """The installed package whose module is measured: its code may change without its version."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None or top in _WITH_VERSIONS or top == context_modules.__name__:
        return []
    path = Path(file)
    if INSTALLED.isdisjoint(path.parts):
        return []
    return [str(path.parent if path.stem == "__init__" else path)]


def _not_theirs() -> tuple[str, ...]:
    caches = [f"{os.environ[name]}/" for name in _CACHES if os.environ.get(name)]
    inductor = f"{os.environ.get('TMPDIR', '/tmp')}/torchinductor_"
    return (*_MACHINE, *map(os.path.expanduser, _KEPT), *caches, inductor)


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay, as imports leave them


def _shown(path: str, base: str | None) -> str:
    """A path in the suite's folder is told from there, so that a folder may be moved."""
    if base is not None and Path(path).is_relative_to(base):
        return str(Path(path).relative_to(base))
    return path
