"""Searchers by the name the command line gives them."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from edgenas.errors import InputError, UnknownNameError
from edgenas.plugins import SEARCHERS as SEARCHERS_OF_PACKAGES
from edgenas.plugins import load_plugin, plugin_names

if TYPE_CHECKING:  # `edgenas benchmark search --help` names the searchers and must load nothing more
    from edgenas.searchers.problem import Problem
    from edgenas.searchers.searcher import Searcher

MakeSearcher = Callable[["Problem", int], "Searcher"]
"""Makes a searcher from a problem and a seed; a searcher's class is one."""

DEFAULT_SEARCHER = "nsga2-surrogate"

_HOMES = {
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

SEARCHERS = tuple(_HOMES)
"""Names of those that work on any problem, a published table too."""

GRADIENT_SEARCHER = "proxyless"
"""The one that learns together with a supernet's weights: made from what was learnt (see `search/proxyless`)."""

ALL_SEARCHERS = tuple(sorted((*SEARCHERS, GRADIENT_SEARCHER)))
"""Names that `edgenas search` takes."""


def searcher_for(name: str, known: Sequence[str] = SEARCHERS) -> MakeSearcher:
    """The searcher of a name; only its own module is loaded, as some need libraries that take long.

    Args:
        name: of the searcher.
        known: what an error says there is.

    Raises:
        UnknownNameError: no such searcher.
        InputError: the gradient searcher, which a problem alone does not make.
    """
    if name == GRADIENT_SEARCHER:
        raise InputError(
            f"searcher {name} learns together with the weights of a supernet, which a table has none of",
            "use it in `edgenas search`, or another here",
        )
    if name in _HOMES:
        module, _, member = _HOMES[name].partition(":")
        return cast(MakeSearcher, getattr(importlib.import_module(module), member))
    if name not in plugin_names(SEARCHERS_OF_PACKAGES):
        raise UnknownNameError("searcher", name, (*known, *plugin_names(SEARCHERS_OF_PACKAGES)))
    return cast(MakeSearcher, load_plugin(SEARCHERS_OF_PACKAGES, name))
