"""Checks of modules and their arguments against the constructors' signatures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import instantiate
from harness.instantiate import ArgumentTypeError, ModuleError, Parameter, Signature
from harness.suite import explain
from harness.suite.recipe import Place, Recipe
from harness.wording import suggest


@dataclass(eq=False)
class Constructors:
    """Signatures by module name, each module imported and each mistake reported once.

    Attributes:
        search_path: folders of a user's own modules.
    """

    search_path: tuple[str, ...]
    _known: dict[str, Signature | ModuleError] = field(default_factory=dict)
    _checked: set[tuple[object, ...]] = field(default_factory=set)

    def signature(self, recipe: Recipe, place: Place, module: str) -> Signature | None:
        """The signature of a module; `None` after reporting that there is none."""
        if module not in self._known:
            self._known[module] = self._read(module)
        found = self._known[module]
        if isinstance(found, Signature):
            return found
        if self._first(recipe, place, module):
            recipe.document.report(place, found.what, found.cure)
        return None

    def _read(self, module: str) -> Signature | ModuleError:
        try:
            cls = instantiate.resolve(module, self.search_path)
        except ModuleError as error:
            return error
        return instantiate.parameters_of(cls)

    def check(
        self,
        recipe: Recipe,
        module: str,
        signature: Signature,
        places: Mapping[str, tuple[Place, Any]],
    ) -> None:
        """Report arguments that are unknown or of a wrong type.

        Args:
            recipe: the entry that makes the case.
            module: its module.
            signature: of the module.
            places: argument: where it stands, and its value.
        """
        for name, (place, value) in places.items():
            if self._first(recipe, place, module):  # the place says which value
                parameter = signature.parameters.get(name)
                if parameter is not None:
                    _check_type(recipe, module, parameter, (place, value))
                elif not signature.takes_any:
                    self._report_unknown(recipe, module, name, place)

    def _report_unknown(self, recipe: Recipe, module: str, name: str, place: Place) -> None:
        key_place = place[: len(recipe.place) + 2]  # without an axis' index
        if self._first(recipe, key_place, module, "unknown"):
            signature = self._known[module]
            known = signature.parameters if isinstance(signature, Signature) else ()
            what, cure = f"{module} has no argument {name}", suggest(name, known, "arguments")
            recipe.document.report(key_place, what, cure, key=True)

    def check_missing(
        self, recipe: Recipe, module: str, signature: Signature, given: Mapping[str, Any]
    ) -> None:
        """Report required arguments that nothing gives."""
        for name in signature.missing(given.keys()):
            if self._first(recipe, recipe.place, module, name, "missing"):
                what = f"{module} needs the argument {name}"
                recipe.document.report(recipe.place, what, f"add {name} to with", absent="with")

    def parameters(self) -> tuple[str, ...]:
        """Every argument of every module that was read."""
        read = (found for found in self._known.values() if isinstance(found, Signature))
        return tuple({name for signature in read for name in signature.parameters})

    def _first(self, recipe: Recipe, *what: object) -> bool:
        """Whether this is asked for the first time."""
        key = (recipe.document.path, *what)
        if key in self._checked:
            return False
        self._checked.add(key)
        return True


def _check_type(
    recipe: Recipe, module: str, parameter: Parameter, given: tuple[Place, Any]
) -> None:
    place, value = given
    try:
        instantiate.convert(value, parameter.hint)
    except ArgumentTypeError as error:
        what = f"{error} as {module} takes it, not {explain.written(value)}"
        recipe.document.report(place, what, "correct the value")
