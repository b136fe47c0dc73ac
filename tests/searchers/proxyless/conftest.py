"""Distributions over small spaces, and learners of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.device import Device
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.space import MBConvSpace, SearchSpace

if TYPE_CHECKING:
    from edgenas.accuracy.dataset import Dataset
    from edgenas.searchers.proxyless.architecture_learning import Learner
    from edgenas.searchers.proxyless.distribution import Distribution


@pytest.fixture(scope="session")
def predictor(tiny_space: MBConvSpace, board: Device) -> LatencyPredictor:
    return predictor_from_device(tiny_space, board)


def ends_ms(predictor: LatencyPredictor) -> tuple[float, float]:
    """Latency of the fastest and of the slowest network."""
    fastest, slowest = (
        predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())
    )
    return fastest, slowest


@pytest.fixture(scope="session")
def make_distribution(predictor: LatencyPredictor) -> Callable[..., "Distribution"]:
    """`make_distribution(targets=3, share=1.0, spread=0.0, seed=0, of=predictor)`: a new one.

    The limit lies at `share` of the way from the fastest to the slowest network; `shared` and `own` are normal with
    deviation `spread`.
    """
    import torch

    from edgenas.searchers.proxyless.distribution import Distribution

    def make(
        targets: int = 3,
        share: float = 1.0,
        spread: float = 0.0,
        seed: int = 0,
        of: LatencyPredictor = predictor,
    ) -> Distribution:
        fastest_ms, slowest_ms = ends_ms(of)
        distribution = Distribution(of, fastest_ms + share * (slowest_ms - fastest_ms), targets)
        generator = torch.Generator().manual_seed(seed)
        for logits in (distribution.shared, distribution.own):
            logits.normal_(generator=generator).mul_(spread)
        return distribution

    return make


@pytest.fixture(scope="session")
def every_vector() -> Callable[[SearchSpace], NDArray[np.int64]]:
    """`every_vector(space)`: all choices, canonical or not, shape (vectors, variables)."""

    def every(space: SearchSpace) -> NDArray[np.int64]:
        sizes: Sequence[int] = [len(names) for names in space.variables]
        return np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), 1).astype(np.int64)

    return every


@pytest.fixture(scope="session")
def weights_recipe() -> SupernetRecipe:
    """Four epochs, of three steps each on `tiny_dataset`."""
    return SupernetRecipe(epochs=4, batch_size=16, learning_rate=0.01)


@pytest.fixture(scope="session")
def make_learner(
    tiny_space: MBConvSpace,
    tiny_dataset: "Dataset",
    weights_recipe: SupernetRecipe,
    make_distribution: Callable[..., "Distribution"],
) -> Callable[..., "Learner"]:
    """`make_learner(**recipe)`: an untrained one of three targets, the last three quarters of the way up.

    The architecture is learnt at every step unless `every` says otherwise.

    `seed`, `dataset`, `weights` and `distribution` may be given beside the fields of a `GradientRecipe`.
    """
    from edgenas.accuracy.supernet import Supernet
    from edgenas.searchers.proxyless.architecture_learning import Learner

    def make(
        seed: int = 0,
        dataset: "Dataset" = tiny_dataset,
        weights: SupernetRecipe = weights_recipe,
        distribution: "Distribution | None" = None,
        **recipe: Any,
    ) -> Learner:
        distribution = distribution or make_distribution(share=0.75)
        return Learner(
            Supernet(tiny_space, seed),
            distribution,
            dataset,
            weights,
            GradientRecipe.model_validate({"every": 1, **recipe}),
        )

    return make
