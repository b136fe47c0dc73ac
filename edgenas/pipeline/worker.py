"""What a worker process does: evaluations and trainings of a run, with a session of its own.

It is told the settings, and loads images, tables and weights itself as the driver did: nothing large travels to it. It
reads the run's folder and writes nothing there but checkpoints of its trainings; the driver records what it returns.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.reduction import ForkingPickler

import torch

from edgenas.accuracy.evaluator import Evaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.board.host import cores
from edgenas.device import Device
from edgenas.errors import InputError, RunConflictError, first_line
from edgenas.pipeline import final_training
from edgenas.pipeline.evaluators import evaluator_for
from edgenas.pipeline.final_model import FinalModel, TrainingOutcome
from edgenas.pipeline.preparing import Prepared, prepared
from edgenas.pipeline.session import Session
from edgenas.pipeline.supernet_training import restored_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_store import RunStore
from edgenas.units import counted
from edgenas.workers.executor import InThisProcess
from edgenas.workers.processes import LocalProcesses
from edgenas.workers.worker_process import kept_alive, show_life


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker works with."""

    session: Session
    supernet: Supernet | None
    evaluator: Evaluator


_work: _Work | None = None
"""Of this process, once it has begun."""


def executor_for(ready: Prepared) -> Executor:
    """Where a search's evaluations and trainings are done: in this process, or by workers of their own.

    Raises:
        InputError: an object among the settings cannot be sent to them, or there is no such GPU.
    """
    settings = ready.settings
    _check_gpus(settings.gpu_numbers)
    if settings.worker_count == 1:
        return InThisProcess()
    if settings.gpu_numbers:
        torch.cuda.set_device(settings.gpu_numbers[0])  # trains the supernet
    sent = settings.with_changes(run=ready.config.settings.run, progress=_show_life)
    try:
        ForkingPickler.dumps(sent)
    except Exception as error:  # of code that is not ours
        raise InputError(
            f"an object among the settings cannot be sent to a worker ({first_line(error)})",
            "define it in a module, as docs/clusters.md says, or leave out --workers",
        ) from None
    begin_one = partial(begin, sent, ready.device, ready.config, settings.worker_count, settings.gpu_numbers)
    return LocalProcesses(settings.worker_count, begin_one)


def _check_gpus(numbers: Sequence[int]) -> None:
    """Raise InputError unless this machine has them."""
    found = torch.cuda.device_count()
    for number in numbers:
        if number >= found:
            raise InputError(
                f"--gpus {number}: PyTorch can use {counted(found, 'GPUs') if found else 'no GPU'} of this machine",
                f"give numbers below {found}" if found else "leave out --gpus, or give --workers",
            )


def begin(
    settings: SearchSettings,
    device: Device,
    config: RunConfig,
    workers: int,
    gpus: Sequence[int],
    number: int,
) -> None:
    """Prepare this process, one of several workers, for the jobs of a run.

    Raises:
        RunConflictError: the images, or a table, have changed since the run was opened.
    """
    global _work
    if gpus:
        torch.cuda.set_device(gpus[number % len(gpus)])
    torch.set_num_threads(threads_each(workers))
    with kept_alive(), _silence():  # the driver has said it all
        _work = _begun(settings, device, config, number)


def threads_each(workers: int) -> int:
    """Threads of each of several workers: never more than one process would use."""
    return max(1, min(torch.get_num_threads(), cores() // workers))


@contextmanager
def _silence() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _begun(settings: SearchSettings, device: Device, config: RunConfig, number: int) -> _Work:
    ready = prepared(settings, device)
    found = ready.config
    if (found.data.fingerprint, found.table_checksum) != (config.data.fingerprint, config.table_checksum):
        raise RunConflictError(
            f"worker {number} finds other images, or another latency table, than the run was opened with",
            "repeat the command",
        )
    ready = replace(ready, config=config)
    store = RunStore(ready.folder.store, writable=False)
    session = ready.session(store, Budget(None, 0.0, 0.0), _show_life)
    supernet = restored_supernet(session)
    work = _Work(session, supernet, evaluator_for(session, supernet))
    store.close()  # a reader would keep the driver from merging its log into the store; what is left is its place
    return work


def _show_life(phase: str, done: float, total: float, detail: str = "") -> None:
    show_life()


def evaluate(architecture: Architecture, to_beat: float | None) -> float:
    """The accuracy of an architecture; see `Evaluator`."""
    work = _working()
    with nullcontext() if work.session.custom_evaluator is None else kept_alive():
        return work.evaluator.evaluate(architecture, to_beat)


def train(
    final_model: FinalModel, recipe: FinalistRecipe, phase: str, seconds: float | None
) -> TrainingOutcome:
    """The outcome of the training of a final model."""
    work = _working()
    return final_training.trained(work.session, work.supernet, final_model, recipe, phase, seconds)


def _working() -> _Work:
    assert _work is not None, "a worker begins before its first job"
    return _work
