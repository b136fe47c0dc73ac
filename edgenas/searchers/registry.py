"""Searchers by the name the command line gives them."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from edgenas.errors import InputError, UnknownNameError
from edgenas.plugins import SEARCHERS as SEARCHERS_OF_PACKAGES
from edgenas.plugins import load_plugin, plugin_names

if TYPE_CHECKING:  # `--help` lists the searchers without loading any
    from edgenas.searchers.problem import Problem
    from edgenas.searchers.searcher import Searcher

MakeSearcher = Callable[["Problem", int], "Searcher"]
"""Makes a searcher from a problem and a seed; a searcher's class is one."""

DEFAULT_SEARCHER = "nsga2-surrogate"

_LOCATIONS = {
    "bayes": "edgenas.searchers.bayes:BayesSearcher",
    "dqn": "edgenas.searchers.dqn:DQNSearcher",
    "local-search": "edgenas.searchers.local_search:LocalSearcher",
    "nsga2": "edgenas.searchers.nsga2:NSGA2Searcher",
    "nsga2-surrogate": "edgenas.searchers.surrogate.surrogate_searcher:SurrogateSearcher",
    "nsga3": "edgenas.searchers.nsga3:NSGA3Searcher",
    "ppo": "edgenas.searchers.ppo:PPOSearcher",
    "random": "edgenas.searchers.random_search:RandomSearcher",
    "regularized-evolution": "edgenas.searchers.regularized_evolution:RegularizedEvolutionSearcher",
    "reinforce": "edgenas.searchers.reinforce:ReinforceSearcher",
}

SEARCHERS = tuple(_LOCATIONS)
"""Names of the searchers that work on any problem, including a published table."""

GRADIENT_SEARCHER = "proxyless"
"""Learns the architecture together with a supernet's weights; made from what it learnt (`searchers/proxyless`)."""

ALL_SEARCHERS = tuple(sorted((*SEARCHERS, GRADIENT_SEARCHER)))
"""Names that `edgenas search` takes."""


def searcher_for(name: str, known: Sequence[str] = SEARCHERS) -> MakeSearcher:
    """Find a searcher by name; only its own module is imported, because some need slow libraries.

    Args:
        name: of the searcher.
        known: the names that an error lists.

    Raises:
        UnknownNameError: no such searcher.
        InputError: the gradient searcher, which needs more than a problem.
    """
    if name == GRADIENT_SEARCHER:
        raise InputError(
            f"searcher {name} is trained together with the weights of a supernet, and a table has no supernet",
            "use it in `edgenas search`, or choose another searcher here",
        )
    if name in _LOCATIONS:
        module, _, member = _LOCATIONS[name].partition(":")
        return cast(MakeSearcher, getattr(importlib.import_module(module), member))
    if name not in plugin_names(SEARCHERS_OF_PACKAGES):
        raise UnknownNameError("searcher", name, (*known, *plugin_names(SEARCHERS_OF_PACKAGES)))
    return cast(MakeSearcher, load_plugin(SEARCHERS_OF_PACKAGES, name))
