"""Runtimes: execute models and time them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenas.board.worker import MemoryUse
from edgenas.vocabulary import Precision

Feeds = Mapping[str, NDArray[Any]]
"""Arrays by the names of inputs, of the types that these take: float32 in what edgenas makes itself."""


class Session(ABC):
    """A model loaded and ready to run with fixed inputs; used from one thread at a time."""

    interruptions: int = 0
    """How often the last `time_ms` was preempted; 0 if unknown."""

    loading_ms: tuple[float, float] | None = None
    """Milliseconds of loading the model, and of its first run; None if unknown."""

    @abstractmethod
    def run(self) -> list[NDArray[np.float32]]:
        """Run once and return the outputs."""

    @abstractmethod
    def time_ms(self, calls: int) -> NDArray[np.float64]:
        """Wall-clock milliseconds of each of `calls` (>= 1) consecutive runs, shape (calls,), all positive.

        Inputs and outputs stay in device memory: copies to and from the caller are not timed.
        """


class Runtime(ABC):
    """Loads ONNX models and times them on this host.

    The contract:
      - Models are passed as fp32 ONNX; a runtime of another `precision` converts them in `load`. Inputs and
        outputs stay float32. At fp32 models are loaded as they are, and may have inputs of other types.
      - `load` copies its arguments: the caller may change bytes and feeds afterwards.
      - Sessions are independent: loading or timing one does not affect another.
      - A model the runtime cannot run, or a provider that is not installed, is a `DeviceError` at `load` or
        in the constructor, never a silent fall-back to another provider.
      - `threads`, `provider` and `precision` apply to every session.

    Checked by `edgenas.testing.RuntimeConformance`.
    """

    name: str
    """Name in device files, such as `onnxruntime`."""

    provider: str
    threads: int
    precision: Precision

    cores: tuple[int, ...] = ()
    """CPU cores that timing is pinned to, once a model is loaded; empty if not pinned."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the runtime itself."""

    @abstractmethod
    def load(self, model: bytes, feeds: Feeds) -> Session:
        """Load a serialised ONNX model and the inputs to run it on."""

    def memory_use(self, model: bytes, feeds: Feeds) -> MemoryUse | None:
        """Memory of a process that loads and runs only this model; None where that cannot be told.

        Raises:
            DeviceError: the model cannot be run.
        """
        return None
