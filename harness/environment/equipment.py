"""Equipment: what a machine offers beside PyTorch on a CPU, what it is for, and how to get it."""

import importlib.util
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from harness.environment.gpu import initialised, kernel_driver, nvml_library

# The optional parts of this package, and which of them are installed.

# Comes with matplotlib.

PACKAGE = "context-harness"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

_DEEPEST = 4  # extras that name extras
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True)
class Extra:
    """One optional part."""

    name: str  # as in `pip install 'context-harness[name]'`
    # distributions that it needs and that are there, with their versions
    installed: Mapping[str, str]
    missing: Sequence[str]  # requirements that nothing installed meets


def extras(project: Path = PROJECT) -> tuple[Extra, ...]:
    """Every optional part, in the order of the package's own list; none where that is unknown.

    Args:
        project: `pyproject.toml` of a source checkout, which may be newer than what is installed;
            where it is not there, the installed package says.
    """
    declared = _of_project(project) or _of_package()
    return tuple(_look(name, list(_written_out(name, declared))) for name in declared)


def _of_project(file: Path) -> dict[str, list[str]]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        found: dict[str, list[str]] = content["project"]["optional-dependencies"]
        return found if content["project"]["name"] == PACKAGE else {}
    except (OSError, KeyError, ValueError):
        return {}


def _of_package() -> dict[str, list[str]]:
    try:
        said = metadata(PACKAGE)
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {name: [] for name in said.get_all("Provides-Extra") or ()}
    for requirement in said.get_all("Requires-Dist") or ():
        marker = _EXTRA.search(requirement)
        if marker and marker.group(1) in found:
            found[marker.group(1)].append(requirement)
    return found


def _written_out(
    extra: str, declared: Mapping[str, Sequence[str]], depth: int = 0
) -> Iterator[Requirement]:
    """Requirements, with those of the extras that an extra names: `context-harness[report]`."""
    for text in declared.get(extra, ()):
        requirement = _requirement(text)
        if requirement is None or not _applies(requirement, extra):
            continue
        if requirement.name == PACKAGE and depth < _DEEPEST:
            for named in sorted(requirement.extras):
                yield from _written_out(named, declared, depth + 1)
        else:
            yield requirement


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _look(name: str, wanted: Sequence[Requirement]) -> Extra:
    installed: dict[str, str] = {}
    missing: list[str] = []
    for requirement in wanted:
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if requirement.specifier.contains(there, prereleases=True):
            installed[requirement.name] = there
        else:
            missing.append(f"{requirement.name}{requirement.specifier} (there is {there})")
    return Extra(name, installed, tuple(missing))


_DEBIAN = "apt-get install"
_CUDA_LINE = re.compile(r"^cuda\b[^=]*=\s*(.+)$", re.MULTILINE)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TEX_PACKAGES = ("booktabs.sty", "siunitx.sty", "adjustbox.sty")
_ASK_SECONDS = 10.0

PURPOSES: Mapping[str, str] = {
    "gpu": "clocks, throttling and energy of NVIDIA GPUs (NVML)",
    "weights": "backbone weights and kept trainings in safetensors",
    "history": "harness history, over thousands of runs (DuckDB)",
    "parquet": "harness export --to parquet",
    "mlflow": "harness export --to mlflow",
    "report": "harness report: runs as one HTML file",
    "data": "labels of PASCAL-Context and COCO-Stuff 10k (MATLAB files)",
    "ray": "harness run --engine ray: cases on a Ray cluster",
    "slurm": "harness run --engine slurm: cases on a Slurm cluster",
    "notebooks": "the notebooks, as they are executed in CI",
    "docs": "make docs: the documentation site",
    "test": "make test",
    "lint": "make lint, make types",
}


@dataclass(frozen=True)
class Equipment:
    """One thing that some commands need."""

    name: str  # of the thing
    present: bool  # whether it is there and of use
    found: str  # version or place; what is wrong if it is not of use
    purpose: str  # what it is for
    get: str = ""  # command, or what to do, where it is missing; empty if it is there


def survey() -> tuple[Equipment, ...]:
    """Everything that is known to be of use; without importing PyTorch."""
    return (
        _gpu(),
        _energy(),
        _program("git", ("git",), "the commit in each run; harness gate", f"{_DEBIAN} git"),
        _program(
            "C++ compiler",
            ("c++", "g++", "clang++"),
            "compile: true in a suite (torch.compile)",
            f"{_DEBIAN} g++",
        ),
        _latex(),
        _program("browser", _BROWSERS, "tests of the HTML report", f"{_DEBIAN} chromium"),
        _program(
            "Slurm",
            ("sbatch",),
            "harness run --engine slurm",
            "call harness where sbatch is: on a login node of the cluster",
        ),
        Equipment(
            "training data",
            True,
            "scenes are generated; real images are read from the folder of --data-root",
            "accuracy",
        ),
        *_extras(),
    )


def _gpu() -> Equipment:
    name, purpose = "GPU", "latency, memory and energy of cases on CUDA"
    driver, cuda, torch = kernel_driver(), torch_cuda(), _version("torch")
    if driver is None:
        get = "use a machine with an NVIDIA GPU and its driver; nvidia-smi shows both"
        return Equipment(name, False, "no NVIDIA driver", purpose, get)
    if cuda is None:
        found = f"driver {driver}, but PyTorch {torch} is built without CUDA"
        return Equipment(name, False, found, purpose, "pip install --force-reinstall torch")
    return Equipment(name, True, f"driver {driver}, PyTorch {torch} for CUDA {cuda}", purpose)


def torch_cuda() -> str | None:
    """The CUDA version that PyTorch is built for, read from its files; `None` without."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    with suppress(OSError):
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
        found = _CUDA_LINE.search(text)
        value = found.group(1).strip().strip("'\"") if found else "None"
        return None if value == "None" else value
    return None


def _energy() -> Equipment:
    name, purpose = "energy counter", "the metric energy; clocks and throttling beside latencies"
    nvml = nvml_library()
    if nvml is None:
        return Equipment(name, False, "no nvidia-ml-py", purpose, _pip("gpu"))
    try:
        with initialised(nvml):
            handle = nvml.nvmlDeviceGetHandleByIndex(0)
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            return Equipment(name, True, str(nvml.nvmlDeviceGetName(handle)), purpose)
    except nvml.NVMLError as error:
        get = "use a machine with an NVIDIA GPU of Volta or later"
        return Equipment(name, False, f"NVML says: {error}", purpose, get)


def _latex() -> Equipment:
    name, purpose = "LaTeX", "to set tables/*.tex, and the test that does"
    get = f"{_DEBIAN} texlive-latex-recommended texlive-latex-extra texlive-science"
    place = shutil.which("pdflatex")
    if place is None:
        return Equipment(name, False, "no pdflatex", purpose, get)
    there = _ask("kpsewhich", *_TEX_PACKAGES)
    lacking = [each for each in _TEX_PACKAGES if each not in there]
    if lacking:
        return Equipment(name, False, f"{place}, without {', '.join(lacking)}", purpose, get)
    return Equipment(name, True, place, purpose)


def _ask(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
        return done.stdout
    return ""


def _program(name: str, commands: tuple[str, ...], purpose: str, get: str) -> Equipment:
    place = next(filter(None, map(shutil.which, commands)), None)
    if place is None:
        return Equipment(name, False, f"no {commands[0]}", purpose, get)
    return Equipment(name, True, place, purpose)


def _extras() -> Iterator[Equipment]:
    for extra in extras():
        purpose = PURPOSES.get(extra.name, "")
        name = f"extra {extra.name}"
        if extra.missing:
            yield Equipment(name, False, _lacking(extra), purpose, _pip(extra.name))
        else:
            found = ", ".join(f"{each} {number}" for each, number in extra.installed.items())
            yield Equipment(name, True, found, purpose)


def _lacking(extra: Extra) -> str:
    return f"no {', '.join(extra.missing)}"


def _pip(extra: str) -> str:
    return f"pip install '{PACKAGE}[{extra}]'"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"
