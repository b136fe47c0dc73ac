"""A searcher whose first proposals are given."""

from collections.abc import Sequence

from typing_extensions import override

from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture


class StartingWith(Searcher):
    """Proposes the given architectures, then those of another searcher, which does not learn of them.

    Args:
        first: to be evaluated in any case.
        searcher: a new one, asked from then on.
    """

    def __init__(self, first: Sequence[Architecture], searcher: Searcher) -> None:
        self.name, self.runs_ahead = searcher.name, searcher.runs_ahead
        self._first: Sequence[Architecture] = first
        self._untold = len(first)
        self._searcher = searcher

    @override
    def ask(self) -> Sequence[Architecture]:
        first, self._first = self._first, ()
        return first or self._searcher.ask()

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        others = outcomes[self._untold :]
        self._untold -= len(outcomes) - len(others)
        if others:
            self._searcher.tell(others)
