"""Each part keeps the contract of its base class."""

from collections.abc import Callable

import numpy as np
import pytest
from edgenas_example.evaluator import RandomFeaturesEvaluator
from edgenas_example.runtime import ReferenceRuntime
from edgenas_example.searcher import AnnealingSearcher
from edgenas_example.space import ChainSpace

from edgenas import Evaluator, Runtime, Searcher, SearchSpace, dataset_from_arrays
from edgenas.device import find_device
from edgenas.searchers.problem import Problem
from edgenas.testing import (
    EvaluatorConformance,
    RuntimeConformance,
    SearcherConformance,
    SearchSpaceConformance,
)


class TestChainSpace(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return ChainSpace(resolution=32, classes=10)


class TestRandomFeaturesEvaluator(EvaluatorConformance):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return ChainSpace(resolution=8, classes=2)

    @pytest.fixture
    def evaluator(self, space: SearchSpace) -> Evaluator:
        labels = np.arange(80) % 2
        images = np.random.default_rng(0).integers(0, 128 + 127 * labels[:, None, None, None], (80, 8, 8, 3))
        dataset = dataset_from_arrays(
            "noise", ["dark", "light"], (images.astype(np.uint8), labels), test=None, flip=True
        )
        return RandomFeaturesEvaluator(space, dataset, seed=0)


class TestAnnealingSearcher(SearcherConformance):
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return AnnealingSearcher(problem, seed)


class TestReferenceRuntime(RuntimeConformance):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return ReferenceRuntime(find_device("reference-cpu"))

    @pytest.fixture
    def with_missing_provider(self) -> Callable[[], object]:
        device = find_device("reference-cpu").model_copy(update={"provider": "CUDAExecutionProvider"})
        return lambda: ReferenceRuntime(device)
