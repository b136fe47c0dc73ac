"""Searchers by the name the command line gives them."""

from collections.abc import Callable

from edgenas.errors import UnknownNameError
from edgenas.search.nsga2 import NSGA2Searcher
from edgenas.search.problem import Problem
from edgenas.search.random import RandomSearcher
from edgenas.search.searcher import Searcher

MakeSearcher = Callable[[Problem, int], Searcher]
"""Makes a searcher from a problem and a seed; a searcher's class is one."""

SEARCHERS: dict[str, MakeSearcher] = {
    NSGA2Searcher.name: NSGA2Searcher,
    RandomSearcher.name: RandomSearcher,
}


def searcher_for(name: str) -> MakeSearcher:
    """The searcher of a name.

    Raises:
        UnknownNameError: no such searcher.
    """
    if name not in SEARCHERS:
        raise UnknownNameError("searcher", name, SEARCHERS)
    return SEARCHERS[name]
