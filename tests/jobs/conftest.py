"""A session on the small image folder with an untrained supernet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from edgenas.accuracy.load import load_dataset
from edgenas.accuracy.recipe import FinalistRecipe, SupernetRecipe
from edgenas.accuracy.supernet import Supernet
from edgenas.device import find_device
from edgenas.jobs.budget import Budget
from edgenas.jobs.contender import Contender
from edgenas.jobs.session import Session
from edgenas.latency.predictor import predictor_from_device
from edgenas.progress import silent
from edgenas.run.config import RunConfig
from edgenas.run.folder import open_run
from edgenas.search.loop import Evaluated
from edgenas.search.problem import Problem
from edgenas.search.random import RandomSearcher
from edgenas.space import mbconv


class Interrupt:
    """Raises KeyboardInterrupt at the n-th report of the phases whose names begin so; 0 never. Keeps all reports."""

    def __init__(self, phase: str, after: int) -> None:
        self._phase, self._left = phase, after
        self.seen: list[tuple[str, float]] = []

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        self.seen.append((phase, done))
        self._left -= phase.startswith(self._phase)
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def interrupt() -> type[Interrupt]:
    """`interrupt(phase, after)`: a progress callback that interrupts."""
    return Interrupt


@pytest.fixture
def session(image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A fresh run `r` on this host, limit 50 ms, one epoch a training."""
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset(str(image_folder))
    space = mbconv(16, 3)
    device = find_device("cpu")
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
        supernet_recipe=SupernetRecipe(epochs=1, batch_size=8),
        finalist_recipe=FinalistRecipe(epochs=1, batch_size=8),
        seed=0,
    )
    predictor = predictor_from_device(space, device)
    problem = Problem(space, predictor, config.max_latency_ms)
    with open_run("r", config) as (folder, store):
        yield Session(
            config=config,
            make_searcher=RandomSearcher,
            folder=folder,
            store=store,
            dataset=dataset,
            placed=dataset,
            predictor=predictor,
            problem=problem,
            budget=Budget(None, 0.0, 0.0),
            torch_device=torch.device("cpu"),
            progress=silent,
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
def contenders(session: Session, candidates: list[Evaluated]) -> list[Contender]:
    """The candidates as finalists that are yet to be trained."""
    return [
        Contender(
            id=candidate.architecture.id,
            space=session.space,
            architecture=candidate.architecture,
            latency=session.problem.predictor.predict(candidate.architecture),
            searched=candidate.accuracy,
        )
        for candidate in candidates
    ]
