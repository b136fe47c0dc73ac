"""Searchers by the name the command line gives them."""

from collections.abc import Callable

from edgenas.errors import UnknownNameError
from edgenas.search.nsga2 import NSGA2Searcher
from edgenas.search.problem import Problem
from edgenas.search.random import RandomSearcher
from edgenas.search.searcher import Searcher

SEARCHERS: dict[str, Callable[[Problem, int], Searcher]] = {
    NSGA2Searcher.name: NSGA2Searcher,
    RandomSearcher.name: RandomSearcher,
}


def searcher_for(name: str) -> Callable[[Problem, int], Searcher]:
    """The searcher of a name, to be called with a problem and a seed.

    Raises:
        UnknownNameError: no such searcher.
    """
    if name not in SEARCHERS:
        raise UnknownNameError("searcher", name, SEARCHERS)
    return SEARCHERS[name]
