"""Jobs in processes of this machine, which are replaced when they die or hang."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from typing_extensions import override

from edgenas.errors import WorkerError

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 3
"""How often a job is begun before it is given up."""

PATIENCE = 10.0
"""A job is taken for hung after this many times the longest of its kind so far."""

LEAST_DEADLINE_S = 60.0
"""But not before."""

Begin = Callable[[int], None]
"""Prepares a worker, in its process, given its number."""


class LocalProcesses(Executor):
    """Does as many jobs at a time as there are workers, each a process of its own.

    A job is a function of a module; it, its arguments and its result can be pickled. A worker that dies is replaced,
    and its job is done again; so is a job that takes far longer than the longest of its kind. After `ATTEMPTS` attempts
    the job fails with a `WorkerError`. Workers end with the process that made them, however that ends.

    Args:
        workers: how many.
        begin: prepares each worker before its first job; an error it raises is the job's.
    """

    def __init__(self, workers: int, begin: Begin) -> None:
        self._threads = ThreadPoolExecutor(workers, "worker")
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers = [_Worker(number, begin) for number in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)
        self._longest_s: dict[str, float] = {}

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._done, fn, *args, **kwargs)

    @override
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=kind is None, cancel_futures=True)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Also end the workers: at once if what they do is not waited for."""
        if not wait:
            for worker in self._workers:
                worker.end()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.end()

    def _done(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a job by the next worker that is idle."""
        worker = self._idle.get()
        try:
            reasons = []
            for _ in range(ATTEMPTS):
                try:
                    return self._timed(worker, fn, *args, **kwargs)
                except _LostError as lost:
                    reasons.append(str(lost))
            raise WorkerError(f"given up after {ATTEMPTS} attempts: {', '.join(dict.fromkeys(reasons))}")
        finally:
            self._idle.put(worker)

    def _timed(self, worker: "_Worker", fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        kind = fn.__qualname__
        longest_s = self._longest_s.get(kind)
        deadline_s = None if longest_s is None else max(LEAST_DEADLINE_S, PATIENCE * longest_s)
        result, seconds = worker.do(deadline_s, fn, *args, **kwargs)
        self._longest_s[kind] = max(seconds, self._longest_s.get(kind, 0.0))
        return result


class _LostError(Exception):
    """A worker that died or was ended."""


class _Worker:
    """A process that is begun when it is first needed, and anew when it was lost."""

    def __init__(self, number: int, begin: Begin) -> None:
        self._number = number
        self._begin = begin
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._has_ended = False

    def do(
        self, deadline_s: float | None, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, float]:
        """The result of a job, and the seconds it took.

        Raises:
            _LostError: the process died, or took longer than `deadline_s`.
        """
        future: Future[Any] | None = None
        try:
            pool = self._pool or self._begun()
            future = pool.submit(_timed_job, fn, *args, **kwargs)
            found: tuple[T, float] = future.result(deadline_s)
            return found
        except BrokenProcessPool:
            self._lose()
            raise _LostError("the worker died (out of memory, or killed)") from None
        except TimeoutError:
            if future is None or future.done():  # it is the job's own
                raise
            self._lose()
            raise _LostError(f"the worker did not answer within {deadline_s:.0f} s") from None

    def end(self) -> None:
        """End the process, and do nothing more."""
        self._has_ended = True
        self._lose()

    def _begun(self) -> ProcessPoolExecutor:
        if self._has_ended:
            raise _LostError("the worker was ended")
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _end_with_parent)
        self._pool = pool
        self._pid = pool.submit(os.getpid).result()
        try:
            pool.submit(self._begin, self._number).result()
        except Exception:
            self._lose()
            raise
        return pool

    def _lose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        pool.shutdown(wait=False, cancel_futures=True)


def _timed_job(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    start = time.monotonic()
    return fn(*args, **kwargs), time.monotonic() - start


def _end_with_parent() -> None:
    """In a worker: leave interruptions to the parent, and end when it does, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
