"""Stands where mmcv has its compiled operators: names that import, and calls that are refused."""

from typing import NoReturn


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)

    def refused(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(f"mmcv.ops.{name} is not compiled in this environment")

    return refused
