"""Plug-ins of other packages, found through entry points.

A package lists them in its `pyproject.toml`, under the names by which the command line selects them:

    [project.entry-points."edgenas.searchers"]
    annealing = "my_package.annealing:AnnealingSearcher"

Each object must fulfil the contract of its group's base class; see docs/extending.md.
"""

from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

from edgenas.errors import InputError, first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SEARCHERS = "edgenas.searchers"
"""Called with a problem and a seed; returns a `Searcher`."""
EVALUATORS = "edgenas.evaluators"
"""Called with a space, a data set and a seed; returns an `Evaluator`."""
SPACES = "edgenas.spaces"
"""A class derived from `SearchSpace`, with `for_images` and `from_config`."""
RUNTIMES = "edgenas.runtimes"
"""Called with a device; returns a `Runtime`."""
DEVICES = "edgenas.devices"
"""A package whose folder contains device files, `*.toml`."""

GROUPS = (SEARCHERS, EVALUATORS, SPACES, RUNTIMES, DEVICES)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: its group, its name, and the package that provides it."""

    group: str
    name: str
    package: str


@cache
def _entry_points(group: str) -> "dict[str, EntryPoint]":
    from importlib import metadata  # not for every --help

    # Of two packages with the same name, the first on the path counts, as in an import.
    return {each.name: each for each in reversed(metadata.entry_points(group=group))}


def plugin_names(group: str) -> tuple[str, ...]:
    """Names of a group's plug-ins in the installed packages, without importing them."""
    return tuple(sorted(_entry_points(group)))


def plugins() -> list[Plugin]:
    """All plug-ins of the installed packages, without importing them."""
    return [
        Plugin(group, name, f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package")
        for group in GROUPS
        for name, entry in sorted(_entry_points(group).items())
    ]


def may_make(given: object, kind: type, arguments: int) -> bool:
    """Whether an object is a class derived from `kind`, or a function, whose result is known only once it is called.

    Args:
        given: the object.
        kind: what it should make.
        arguments: how many it is called with.
    """
    if isinstance(given, type):
        return issubclass(given, kind)
    if not callable(given):
        return False
    try:
        signature(given).bind(*range(arguments))
    except ValueError:  # some functions written in C do not tell their signature
        return True
    except TypeError:
        return False
    return True


def load_plugin(group: str, name: str) -> Any:
    """Import a plug-in.

    Raises:
        InputError: its package cannot be imported, lacks the object, or names one of the wrong sort.
    """
    entry = _entry_points(group)[name]
    hint = "fix or uninstall the package that provides it"
    try:
        found = entry.load()
    except Exception as error:  # importing another package can raise anything
        raise InputError(
            f"{group} {name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {first_line(error)}",
            hint,
        ) from error
    fits = hasattr(found, "__path__") if group == DEVICES else callable(found)
    if not fits:
        needed = "package" if group == DEVICES else "class or function"
        raise InputError(f"{group} {name!r} ({entry.value}) is not a {needed}", hint)
    return found
