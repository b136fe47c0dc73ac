"""A process that does jobs one after the other, shows signs of life, and is begun anew when it was lost."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, MutableSequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

from edgenas.errors import EdgenasError, NoWorkerError

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10.0
"""A worker is taken for hung after this many times its longest silence so far."""

LEAST_PATIENCE_S = 600.0
"""But not before: judging a model on many images is silent."""

LOOK_S = 1.0
"""How often its signs of life are looked at."""

Begin = Callable[[int], None]

_signs: MutableSequence[float] | None = None
"""In a worker: when it last showed a sign of life, by `time.time`, and its longest silence, in seconds."""


class LostError(Exception):
    """A worker died, hung or was ended; `in_beginning`: before it began its first job."""

    def __init__(self, reason: str, in_beginning: bool) -> None:
        super().__init__(reason)
        self.in_beginning = in_beginning


def show_life() -> None:
    """In a worker: say that it is at work. Elsewhere this does nothing."""
    if _signs is not None:
        now = time.time()
        _signs[1] = max(_signs[1], now - _signs[0])
        _signs[0] = now


class WorkerProcess:
    """A process that is begun when it is first needed.

    Args:
        number: of the worker.
        begin: called with it in the process before the first job.
    """

    def __init__(self, number: int, begin: Begin) -> None:
        self._number = number
        self._begin = begin
        self._pool: ProcessPoolExecutor | None = None
        self._pid: int | None = None
        self._signs: MutableSequence[float] = multiprocessing.get_context("spawn").Array("d", 2, lock=False)
        self._has_ended = False

    def do(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a job.

        Raises:
            LostError: the process died, or showed no sign of life for long.
            NoWorkerError: it could not begin, for a reason that another one would have, too.
        """
        has_begun = self._pool is not None
        try:
            pool = self._pool or self._begun()
            has_begun = True
            result: T = self._awaited(pool.submit(_job, fn, *args, **kwargs))
            return result
        except BrokenProcessPool:
            self._lose()
            raise LostError("the worker died (out of memory, or killed)", not has_begun) from None
        except RuntimeError:  # a pool that was shut down takes no job
            if self._has_ended:
                raise LostError("the worker was ended", not has_begun) from None
            raise

    def end(self) -> None:
        """End the process, and do nothing more."""
        self._has_ended = True
        self._lose()

    def _begun(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, spawn, _prepare_process, (self._signs,))
        self._pool = pool
        self._pid = pool.submit(os.getpid).result()
        if self._has_ended:  # meanwhile
            self._lose()
            raise LostError("the worker was ended", in_beginning=True)
        try:
            self._awaited(pool.submit(_job, self._begin, self._number))
        except EdgenasError as error:
            self._lose()
            raise NoWorkerError(f"a worker cannot begin: {error.problem}", error.hint) from None
        return pool

    def _awaited(self, future: "Future[Any]") -> Any:
        """The result of a job that was submitted, unless it is silent for too long."""
        begun_s = time.time()
        while True:
            try:
                return future.result(LOOK_S)
            except TimeoutError:
                if future.done():  # it is the job's own
                    raise
            last_s, longest_s = self._signs
            silent_s = time.time() - max(begun_s, last_s)
            if silent_s > max(LEAST_PATIENCE_S, PATIENCE * longest_s):
                self._lose()
                raise LostError(f"the worker showed no sign of life for {silent_s:.0f} s", in_beginning=False)

    def _lose(self) -> None:
        pool, pid = self._pool, self._pid
        self._pool = self._pid = None
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _job(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    assert _signs is not None
    _signs[0] = time.time()
    result = fn(*args, **kwargs)
    show_life()
    return result


def _prepare_process(signs: MutableSequence[float]) -> None:
    """In a new process: leave interruptions to the parent, and end when it does, even if it is killed."""
    global _signs
    _signs = signs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
