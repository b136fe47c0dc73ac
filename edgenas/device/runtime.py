"""Runtimes: what executes a model and says how long it took."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgenas.vocabulary import Precision

Feeds = Mapping[str, NDArray[np.float32]]


class Session(ABC):
    """A model loaded and ready to run with fixed inputs; used from one thread at a time."""

    interruptions: int = 0
    """How often, during the last `time_ms`, something else took a core away; 0 where the system does not tell."""

    @abstractmethod
    def run(self) -> list[NDArray[np.float32]]:
        """Run once and return the outputs."""

    @abstractmethod
    def time_ms(self, calls: int) -> NDArray[np.float64]:
        """Wall-clock milliseconds of each of `calls` (>= 1) consecutive runs, shape (calls,), all positive.

        Inputs lie where the device reads them and outputs stay where it writes them: copies to and from the
        caller are no part of the time.
        """


class Runtime(ABC):
    """Something that loads ONNX models and times them on this host.

    The contract:
      - Models are handed in as fp32 ONNX; one of another `precision` converts them on the way in. Inputs and
        outputs stay float32.
      - `load` copies what it needs: the bytes and feeds may change afterwards.
      - Sessions are independent: loading, or having timed, a second one does not disturb the first.
      - A model the runtime cannot run, or a provider that is not installed, is a `DeviceError` at `load` or
        in the constructor, never a silent fall-back to another provider.
      - `threads`, `provider` and `precision` hold for every session.

    Checked by `edgenas.testing.RuntimeConformance`.
    """

    name: str
    """Name in device files, such as `onnxruntime`."""

    provider: str
    threads: int
    precision: Precision

    cores: tuple[int, ...] = ()
    """Processor cores that the timing is pinned to, once a model is loaded; empty for none."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the runtime itself."""

    @abstractmethod
    def load(self, model: bytes, feeds: Feeds) -> Session:
        """Load a serialised ONNX model with the inputs it will be run on."""
