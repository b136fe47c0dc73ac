"""What every evaluator must do; see `edgenas.accuracy.evaluator.Evaluator`."""

import random
from typing import get_args

import numpy as np
import pytest
import torch

from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.space import Architecture, ArchitectureSpace

SAMPLES = 4


class EvaluatorConformance:
    """Derive a test class, override the two fixtures, and pytest runs the contract.

        class TestMine(EvaluatorConformance):
            @pytest.fixture
            def space(self): return ...

            @pytest.fixture
            def evaluator(self, space): return MyEvaluator(space)

    Each test evaluates a handful of architectures, so that slow evaluators can be checked too.
    """

    @pytest.fixture
    def space(self) -> ArchitectureSpace:
        """The space whose architectures the evaluator knows."""
        raise NotImplementedError("override the fixture `space`")

    @pytest.fixture
    def evaluator(self, space: ArchitectureSpace) -> Evaluator:
        """The evaluator to check; a fresh one for each test, or one for all."""
        raise NotImplementedError("override the fixture `evaluator`")

    @pytest.fixture
    def architectures(self, space: ArchitectureSpace) -> list[Architecture]:
        """A few architectures; override where the evaluator knows only some."""
        rng = np.random.default_rng(0)
        distinct = {a.id: a for a in (space.sample(rng) for _ in range(20 * SAMPLES))}
        return list(distinct.values())[:SAMPLES]

    def test_is_an_evaluator(self, evaluator: Evaluator) -> None:
        """It derives from the base class."""
        assert isinstance(evaluator, Evaluator)

    def test_says_what_its_figure_is(self, evaluator: Evaluator) -> None:
        """`kind` is one of the accuracies that reports and formats know."""
        assert evaluator.kind in get_args(AccuracyKind)

    @pytest.mark.parametrize("rival", [None, 0.5, 1.0])
    def test_gives_a_fraction(
        self, evaluator: Evaluator, architectures: list[Architecture], rival: float | None
    ) -> None:
        """A float from 0 to 1, not a percentage, a tensor or NaN, whatever there is to compare with."""
        for architecture in architectures:
            value = evaluator.evaluate(architecture, rival)
            assert isinstance(value, float)
            assert 0 <= value <= 1

    def test_evaluating_again_changes_nothing(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """The value does not depend on how often an architecture was evaluated."""
        assert len({evaluator.evaluate(architectures[0]) for _ in range(3)}) == 1

    def test_a_rival_that_cannot_be_lost_to_changes_nothing(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """Nothing is below an accuracy of 0: the value is that without a rival."""
        for architecture in architectures:
            assert evaluator.evaluate(architecture, rival=0.0) == evaluator.evaluate(architecture)

    def test_does_not_depend_on_what_was_evaluated_before(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """Forwards and backwards give the same values."""
        forwards = [evaluator.evaluate(architecture) for architecture in architectures]
        backwards = [evaluator.evaluate(architecture) for architecture in reversed(architectures)]
        assert forwards == backwards[::-1]

    def test_does_not_depend_on_random_states(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """Nor on the generators that a process shares: they are in another state when a search is resumed."""
        values = set()
        for seed in range(3):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            values.add(evaluator.evaluate(architectures[-1]))
        assert len(values) == 1

    def test_knows_an_architecture_by_its_choices(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """An equal architecture that is another object, as a resumed run reads it from disk, is the same."""
        for architecture in architectures:
            again = Architecture(architecture.space, tuple(str(choice) for choice in architecture.choices))
            assert evaluator.evaluate(again) == evaluator.evaluate(architecture)
