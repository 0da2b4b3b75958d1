"""What a Mac lacks, taken away from Python on Linux: its processes find this file first."""

import builtins
import ctypes
import io
import os
import signal
import sys
import sysconfig
import urllib.request  # noqa: F401 - what it has in C is of this system

import psutil  # noqa: F401 - for this system, as it finds it now

sysconfig.get_config_vars()  # read from a file that is named after the system

for name in ("sched_getaffinity", "sched_setaffinity"):
    delattr(os, name)
for name in ("SIGRTMIN", "SIGRTMAX"):
    delattr(signal, name)
sys.platform = "darwin"

_open, _os_open, _readlink = io.open, os.open, os.readlink


def _refuse(path: object) -> None:
    """Everybody but psutil, which here stands for itself on a Mac."""
    if isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(
        ("/proc", "/sys")
    ):
        asking = sys._getframe(2).f_globals.get("__name__", "")
        if not asking.startswith("psutil"):
            raise FileNotFoundError(2, "No such file or directory", path)


def _opened(file, *args, **kwargs):
    _refuse(file)
    return _open(file, *args, **kwargs)


def _os_opened(path, *args, **kwargs):
    _refuse(path)
    return _os_open(path, *args, **kwargs)


def _link_read(path, *args, **kwargs):
    _refuse(path)
    return _readlink(path, *args, **kwargs)


builtins.open = io.open = _opened
os.open, os.readlink = _os_opened, _link_read


class _Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ("prctl", "mallopt", "malloc_trim"):
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = _Library
