"""Searchers by the name the command line gives them."""

import importlib
from collections.abc import Callable
from typing import cast

from edgenas.errors import UnknownNameError
from edgenas.search.problem import Problem
from edgenas.search.searcher import Searcher

MakeSearcher = Callable[[Problem, int], Searcher]
"""Makes a searcher from a problem and a seed; a searcher's class is one."""

DEFAULT_SEARCHER = "nsga2"

_HOMES = {
    "nsga2": "edgenas.search.nsga2:NSGA2Searcher",
    "random": "edgenas.search.random:RandomSearcher",
}

SEARCHERS = tuple(_HOMES)
"""Their names."""


def searcher_for(name: str) -> MakeSearcher:
    """The searcher of a name; only its own module is loaded, as some need libraries that take long.

    Raises:
        UnknownNameError: no such searcher.
    """
    if name not in _HOMES:
        raise UnknownNameError("searcher", name, SEARCHERS)
    module, _, member = _HOMES[name].partition(":")
    return cast(MakeSearcher, getattr(importlib.import_module(module), member))
