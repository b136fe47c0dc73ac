"""A process that does jobs one after the other, shows signs of life, and is begun anew when it was lost."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, MutableSequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from traceback import format_exception
from typing import Any, ParamSpec, TypeVar

from edgenas.errors import EdgenasError, NoWorkerError, first_line

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10.0
"""A worker is taken for hung after this many times its longest silence so far."""

LEAST_PATIENCE_S = 600.0
"""But not before: judging a model on many images is silent."""

LOOK_S = 1.0
"""How often its signs of life are looked at. Looks are counted: time also passes while all are suspended."""

Begin = Callable[[int], None]

_signs: MutableSequence[int] | None = None
"""In a worker: how many signs of life it has shown."""


class LostError(Exception):
    """A worker died, hung or was ended; `in_beginning`: before it began its first job."""

    def __init__(self, reason: str, in_beginning: bool) -> None:
        super().__init__(reason)
        self.in_beginning = in_beginning


def show_life() -> None:
    """In a worker: say that it is at work. Elsewhere this does nothing."""
    if _signs is not None:
        _signs[0] += 1


@contextmanager
def kept_alive() -> Iterator[None]:
    """In a worker: be taken for alive meanwhile, as by code that cannot show it. It may hang for ever."""
    done = threading.Event()

    def show() -> None:
        while not done.wait(LOOK_S):
            show_life()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


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
        self._process: BaseProcess | None = None
        self._signs: MutableSequence[int] = multiprocessing.get_context("spawn").Array("Q", 1, lock=False)
        self._longest_s = 0.0
        self._has_ended = False

    def do(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a job.

        Raises:
            LostError: the process died, or showed no sign of life for long.
            NoWorkerError: it could not begin, for a reason that another one would have, too.
        """
        result: T = self._answer(self._pool or self._begun(), False, fn, *args, **kwargs)
        return result

    def end(self) -> None:
        """End the process, and begin no other."""
        self._has_ended = True
        self._lose()

    def _begun(self) -> ProcessPoolExecutor:
        self._check()
        spawn = multiprocessing.get_context("spawn")
        pool = self._pool = ProcessPoolExecutor(1, spawn, _prepare_process, (self._signs,))
        try:
            pid = self._answer(pool, True, os.getpid)
            self._process = next(
                (each for each in multiprocessing.active_children() if each.pid == pid), None
            )
            self._check()
            self._answer(pool, True, self._begin, self._number)
        except LostError:
            raise
        except Exception as error:
            self._lose()
            reason = error.problem if isinstance(error, EdgenasError) else first_line(error)
            hint = error.hint if isinstance(error, EdgenasError) else "give fewer --workers"
            raise NoWorkerError(f"a worker cannot begin: {reason}", hint) from None
        return pool

    def _check(self) -> None:
        if self._has_ended:
            self._lose()
            raise LostError("the worker was ended", in_beginning=True)

    def _answer(
        self, pool: ProcessPoolExecutor, in_beginning: bool, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The result of a job, unless the worker is lost."""
        try:
            return self._awaited(pool.submit(_job, fn, *args, **kwargs), in_beginning)
        except BrokenProcessPool:
            self._lose()
            raise LostError("the worker died (out of memory, or killed)", in_beginning) from None
        except RuntimeError:  # a pool that was shut down takes no job
            self._check()
            raise

    def _awaited(self, future: "Future[Any]", in_beginning: bool) -> Any:
        silent_s, seen = 0.0, self._signs[0]
        while True:
            try:
                return future.result(LOOK_S)
            except TimeoutError:
                if future.done():  # since then, or it is the job's own
                    return future.result()
            if self._signs[0] != seen:
                self._longest_s = max(self._longest_s, silent_s)
                silent_s, seen = 0.0, self._signs[0]
            else:
                silent_s += LOOK_S
            if silent_s > max(LEAST_PATIENCE_S, PATIENCE * self._longest_s):
                self._lose()
                raise LostError(f"the worker showed no sign of life for {silent_s:.0f} s", in_beginning)

    def _lose(self) -> None:
        pool, process = self._pool, self._process
        self._pool = self._process = None
        if process is not None:
            process.kill()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _job(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    show_life()
    try:
        return fn(*args, **kwargs)
    except EdgenasError:
        raise
    except Exception as error:
        if _travels(error):
            raise
        raise RuntimeError("".join(format_exception(error))) from None


def _travels(error: Exception) -> bool:
    """Whether an error of others' code arrives at the parent as it is; one that does not would break the pool."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return False
    return True


def _prepare_process(signs: MutableSequence[int]) -> None:
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
