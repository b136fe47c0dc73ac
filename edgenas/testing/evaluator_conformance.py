"""Tests of the `Evaluator` contract, to inherit; see `edgenas.accuracy.evaluator.Evaluator`."""

import random
from typing import get_args

import numpy as np
import pytest
import torch

from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.space import Architecture, ArchitectureSpace

SAMPLES = 4


class EvaluatorConformance:
    """Inherit and override the two fixtures; pytest then checks your evaluator against the contract.

        class TestMine(EvaluatorConformance):
            @pytest.fixture
            def space(self): return ...

            @pytest.fixture
            def evaluator(self, space): return MyEvaluator(space)

    Each test evaluates only a few architectures, so that slow evaluators can be checked too.
    """

    @pytest.fixture
    def space(self) -> ArchitectureSpace:
        """The space of the architectures."""
        raise NotImplementedError("override the fixture `space`")

    @pytest.fixture
    def evaluator(self, space: ArchitectureSpace) -> Evaluator:
        """The evaluator to check; a fresh one per test, or a shared one."""
        raise NotImplementedError("override the fixture `evaluator`")

    @pytest.fixture
    def architectures(self, space: ArchitectureSpace) -> list[Architecture]:
        """A few architectures; override if the evaluator supports only some."""
        rng = np.random.default_rng(0)
        distinct = {a.id: a for a in (space.sample(rng) for _ in range(20 * SAMPLES))}
        return list(distinct.values())[:SAMPLES]

    def test_is_an_evaluator(self, evaluator: Evaluator) -> None:
        """It derives from the base class."""
        assert isinstance(evaluator, Evaluator)

    def test_says_what_its_figure_is(self, evaluator: Evaluator) -> None:
        """`kind` is one of the known kinds of accuracy."""
        assert evaluator.kind in get_args(AccuracyKind)

    @pytest.mark.parametrize("to_beat", [None, 0.5, 1.0])
    def test_gives_a_fraction(
        self, evaluator: Evaluator, architectures: list[Architecture], to_beat: float | None
    ) -> None:
        """With any accuracy to beat, the value is a float from 0 to 1: not a percentage, tensor or NaN."""
        for architecture in architectures:
            value = evaluator.evaluate(architecture, to_beat)
            assert isinstance(value, float)
            assert 0 <= value <= 1

    def test_evaluating_again_changes_nothing(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """Repeated evaluations give the same value."""
        assert len({evaluator.evaluate(architectures[0]) for _ in range(3)}) == 1

    def test_a_rival_with_zero_accuracy_changes_nothing(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """An accuracy of 0 to beat gives the same value as none."""
        for architecture in architectures:
            assert evaluator.evaluate(architecture, to_beat=0.0) == evaluator.evaluate(architecture)

    def test_does_not_depend_on_what_was_evaluated_before(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """Evaluating in reverse order gives the same values."""
        forwards = [evaluator.evaluate(architecture) for architecture in architectures]
        backwards = [evaluator.evaluate(architecture) for architecture in reversed(architectures)]
        assert forwards == backwards[::-1]

    def test_does_not_depend_on_random_states(
        self, evaluator: Evaluator, architectures: list[Architecture]
    ) -> None:
        """The value does not depend on global generators, whose state differs when a search is resumed."""
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
        """An equal architecture in a new object, as read from disk by a resumed run, gives the same value."""
        for architecture in architectures:
            again = Architecture(architecture.space, tuple(str(choice) for choice in architecture.choices))
            assert evaluator.evaluate(again) == evaluator.evaluate(architecture)
