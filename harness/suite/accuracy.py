"""What a case's accuracy asks for: recipe, data and evaluation, found and checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.messages import suggest
from harness.suite import reader
from harness.suite.document import Problem
from harness.suite.entry import Place, Recipe
from harness.suite.recipe import GENERATED, DataSpec, EvaluationSpec, RecipeSpec
from harness.suite.schema import Conditions, SuiteSpec
from harness.suite.shipped import ENDINGS, RECIPES
from harness.suite.tree import Source


@dataclass(eq=False)
class Accuracies:
    """Makes what `Job.accuracy` holds, for the cases of one suite file."""

    source: Source  # the file; mistakes go to its document
    spec: SuiteSpec  # what it says
    data_root: Path | None = None  # folder of real images that the command line names
    _read: dict[Path, RecipeSpec | None] = field(default_factory=dict)

    def of(self, recipe: Recipe) -> dict[str, Any] | None:
        """Recipe, data and evaluation of a case as plain data; `None` after a reported mistake."""
        name, place = self._word(recipe, "recipe")
        if name is None:
            if self.source.complete:
                recipe.document.report(
                    recipe.place,
                    "missing required key",
                    "add recipe: name, here or for the whole suite",
                    absent="recipe",
                )
            return None
        path = self._find(name, place)
        found = self._read[path] if path is not None else None
        if path is None or found is None:
            return None
        data: DataSpec | None = self._word(recipe, "data")[0] or found.data
        if data is None:
            what, cure = "missing required key", "add data: {name: scenes}; the recipe names none"
            recipe.document.report(recipe.place, what, cure, absent="data")
            return None
        changes, where = self._word(recipe, "recipe_changes")
        try:
            chosen = found.for_data(data.name)
            if changes:
                chosen = _for_backbone(chosen, changes).changed(changes)
        except ValidationError as error:
            self.source.document.report_invalid(error, RecipeSpec, where)
            return None
        named = "backbone_weights" in (changes or {}).get("network", {})
        home = self.source.document.path if named else path
        return {
            "recipe": _plain(chosen, home),
            **({"recipe_changes": changes} if changes else {}),
            "data": {"name": data.name, "root": self._root(data), "parameters": data.parameters},
            "evaluation": self._evaluation(recipe, chosen),
        }

    def _root(self, data: DataSpec) -> str | None:
        """As an absolute path: the command line's, else the suite's, taken from its folder."""
        if self.data_root is not None and data.name != GENERATED:
            return str(self.data_root.resolve())
        if data.root is None:
            return None
        folder = self.source.document.path.parent
        return str((folder / Path(data.root).expanduser()).resolve())

    def _word(self, recipe: Recipe, key: str) -> tuple[Any, Place]:
        """The case's own word, else the suite's, and where it stands."""
        own = getattr(recipe.spec, key)
        if own is not None:
            return own, (*recipe.place, key)
        return getattr(self.spec, key), (key,)

    def _evaluation(self, recipe: Recipe, chosen: RecipeSpec) -> dict[str, Any]:
        """Key by key: the recipe's, changed by the suite's, changed by the case's."""
        merged = chosen.evaluation.model_dump(mode="json")
        specs: list[Conditions] = [self.spec, recipe.spec]
        for spec in specs:
            if spec.evaluation is not None:
                merged |= spec.evaluation.model_dump(mode="json", exclude_unset=True)
        return EvaluationSpec.of(merged).model_dump(mode="json")

    def _find(self, name: str, place: Place) -> Path | None:
        """The file of a recipe, read when it is first asked for."""
        document, folder = self.source.document, self.source.document.path.parent
        known: dict[str, Path] = {}
        if not name.endswith(ENDINGS):
            for shelf in shelves(folder):
                for file in sorted(shelf.glob("*.yaml")):
                    known.setdefault(file.stem, file)
            if name not in known:
                cure = "write the path of its YAML file"
                cure = suggest(name, known, "recipes") if known else cure
                document.report(place, f"no recipe is called {name}", cure)
        elif (folder / name).is_file():
            known[name] = folder / name
        else:
            cure = "check the path, it is taken from the suite's folder"
            document.report(place, f"no such file: {name}", cure)
        path = known.get(name)
        if path is not None and path not in self._read:
            self._read[path], problems = read_recipe(path)
            document.problems.extend(problems)
        return path


def shelves(start: Path) -> Iterator[Path]:
    """Folders of recipes, nearest first.

    `recipes` beside or above the suite, then those that come with the harness.
    """
    places = [each / "recipes" for each in (start, *start.parents)]
    for place in dict.fromkeys((*places, RECIPES)):
        if place.is_dir():
            yield place


def read_recipe(path: Path) -> tuple[RecipeSpec | None, list[Problem]]:
    """A recipe file, or every mistake in it, those for single data sets included."""
    document = reader.read_file(path)
    if document.root is None:
        if not document.problems:
            document.report((), "empty", "begin with recipe: name")
        return None, document.problems
    try:
        spec = RecipeSpec.of(document.root.plain())
    except ValidationError as error:
        document.report_invalid(error, RecipeSpec)
        return None, document.problems
    for name in spec.per_data:
        try:
            spec.for_data(name)
        except ValidationError as error:
            document.report_invalid(error, RecipeSpec, ("per_data", name))
    return (None if document.problems else spec), document.problems


def _for_backbone(recipe: RecipeSpec, changes: Mapping[str, Any]) -> RecipeSpec:
    """Without its backbone's arguments where the changes name a backbone of another kind."""
    asked = changes.get("network")
    name = asked.get("backbone") if isinstance(asked, Mapping) else None
    if not isinstance(name, str) or _kind(name) == _kind(recipe.network.backbone):
        return recipe
    network = recipe.network.model_copy(update={"backbone_arguments": {}})
    return recipe.model_copy(update={"network": network})


def _kind(backbone: str) -> str:
    """`resnet` of resnet101 and resnet50_v1c, `hrnetv` of hrnetv2_w48."""
    return backbone[: next((i for i, c in enumerate(backbone) if not c.isalpha()), None)]


def _plain(spec: RecipeSpec, path: Path) -> dict[str, Any]:
    """The recipe as a job carries it; weights as an absolute path, taken from beside `path`."""
    plain = spec.model_dump(mode="json", exclude={"per_data"})
    weights = spec.network.backbone_weights
    if weights is not None:
        resolved = (path.parent / Path(weights).expanduser()).resolve()
        plain["network"]["backbone_weights"] = str(resolved)
    return plain
