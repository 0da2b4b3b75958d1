"""Versions of the libraries that a number depends on."""

from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("context-harness", "torch", "fvcore", "numpy", "pandas", "matplotlib", "pydantic")


def library_versions() -> dict[str, str | None]:
    """Version by distribution; `None` for one that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def accelerator_libraries() -> dict[str, str | None]:
    """CUDA and cuDNN that PyTorch was built with; `None` where it was built without."""
    import torch

    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
