"""A session on the small image folder with an untrained supernet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgenas.accuracy.load import load_dataset
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
from edgenas.device import find_device
from edgenas.jobs.finalists import Finalist
from edgenas.jobs.plan import Plan
from edgenas.jobs.session import Session
from edgenas.latency.predictor import predictor_from_device
from edgenas.progress import silent
from edgenas.run.config import RunConfig
from edgenas.run.folder import open_run
from edgenas.search.loop import Evaluated
from edgenas.search.problem import Problem
from edgenas.search.random import RandomSearcher
from edgenas.space import mbconv


@pytest.fixture
def session(image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A fresh run `r` on this host, limit 50 ms, one epoch a training."""
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset(str(image_folder))
    space = mbconv(16, 3)
    device = find_device("cpu")
    recipe = Recipe(epochs=1, batch_size=8)
    config = RunConfig(
        device=device,
        table_checksum=None,
        space=space.config(),
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        flip=dataset.flip,
        max_latency_ms=50.0,
        searcher="random",
        evaluations=4,
        finalists=2,
        supernet_recipe=recipe,
        finalist_recipe=recipe,
        seed=0,
    )
    problem = Problem(space, predictor_from_device(space, device), config.max_latency_ms)
    plan = Plan(supernet=recipe, finalist=recipe, evaluations=4)
    with open_run("r", config) as (folder, store):
        yield Session(
            config, RandomSearcher, folder, store, dataset, problem, plan, torch.device("cpu"), silent
        )


@pytest.fixture
def supernet(session: Session) -> Supernet:
    """Untrained weights for the session's space."""
    return Supernet(session.space, seed=0)


@pytest.fixture
def candidates(session: Session) -> list[Evaluated]:
    """The fastest and the slowest architecture, as if evaluated."""
    predictor = session.problem.predictor
    ends = (predictor.fastest(), predictor.slowest())
    return [Evaluated(a, 0.5 + 0.2 * i, session.problem.latency_ms(a)) for i, a in enumerate(ends)]


@pytest.fixture
def finalists(candidates: list[Evaluated]) -> list[Finalist]:
    """The candidates as trained finalists that get 2 and 1 of 100 images wrong."""
    first, second = (Finalist(candidate, validation=0.98, test=0.9) for candidate in candidates)
    return [
        replace(first, wrong=frozenset({1, 2})),
        replace(second, wrong=frozenset({3}), validation=0.99),
    ]
