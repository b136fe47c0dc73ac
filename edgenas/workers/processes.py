"""Jobs in processes of this machine, which are replaced when they die or hang."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import LifoQueue
from typing import ParamSpec, TypeVar

from typing_extensions import override

from edgenas.errors import NoWorkerError, WorkerError
from edgenas.workers.worker_process import Begin, LostError, WorkerProcess

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 3
"""How often a job is begun before it is given up."""


class LocalProcesses(Executor):
    """Does as many jobs at a time as there are workers, each a process of its own.

    A job is a function of a module; it, its arguments and its result can be pickled. A worker that dies or hangs is
    replaced, and its job is done again; after `ATTEMPTS` attempts the job fails with a `WorkerError`, or with a
    `NoWorkerError` if no worker could begin. Workers end with the process that made them, however that ends.

    Args:
        workers: how many.
        begin: prepares each worker, in its process and given its number, before its first job.
    """

    def __init__(self, workers: int, begin: Begin) -> None:
        self._threads = ThreadPoolExecutor(workers, "worker")
        self._workers = [WorkerProcess(number, begin) for number in range(workers)]
        self._idle: LifoQueue[WorkerProcess] = LifoQueue()  # so that no more begin than are needed
        for worker in self._workers:
            self._idle.put(worker)

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._done, fn, *args, **kwargs)

    @override
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=kind is None, cancel_futures=True)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Also end the workers: at once, unless what they do is waited for."""
        if not wait:
            self._end_workers()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._end_workers()

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.end()

    def _done(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a job by the next worker that is idle."""
        worker = self._idle.get()
        try:
            losses: list[LostError] = []
            while len(losses) < ATTEMPTS:
                try:
                    return worker.do(fn, *args, **kwargs)
                except LostError as lost:
                    losses.append(lost)
            reasons = ", ".join(dict.fromkeys(map(str, losses)))
            if all(lost.in_beginning for lost in losses):
                raise NoWorkerError(
                    f"no worker could begin: {reasons}",
                    "give fewer --workers, and see docs/clusters.md for scripts and objects of your own",
                )
            raise WorkerError(f"given up after {ATTEMPTS} attempts: {reasons}")
        finally:
            self._idle.put(worker)
