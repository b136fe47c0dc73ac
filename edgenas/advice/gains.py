"""What a model gains over another one on a device: predicted, and on this machine measured in the same rounds."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import onnx

from edgenas.advice.changes import has_control_flow
from edgenas.advice.runtime_costs import Run, RuntimeCosts, inputs_of
from edgenas.device import Device, runtime_for
from edgenas.errors import DeviceError
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES
from edgenas.onnx_latency.model_inputs import Input, feeds_of
from edgenas.progress import Progress
from edgenas.timing.loaded_models import LOADING, load_sentinel
from edgenas.timing.measuring import measure

log = logging.getLogger(__name__)

BUDGET_S = 5.0
"""Target duration of timing, seconds; at least nine rounds are made."""

Pair = tuple[onnx.ModelProto, onnx.ModelProto | None]
"""A model, and what is to be faster."""


class Gains:
    """Latencies of models that are made of one file; each is run and timed once.

    Args:
        device: at its operating point.
        inputs: those of a call, of which models may take other types.
        costs: of what ONNX Runtime runs; None where another runtime does.
    """

    def __init__(self, device: Device, inputs: Sequence[Input], costs: RuntimeCosts | None) -> None:
        self._device, self._inputs, self._costs = device, inputs, costs
        self._runs: dict[int, Run] = {}
        self._times_ms: Mapping[int, float] = {}

    def run_of(self, model: onnx.ModelProto) -> Run | None:
        """What is run of a model, and its costs; None where that is not known.

        Raises:
            DeviceError: ONNX Runtime cannot run it.
        """
        if self._costs is not None and id(model) not in self._runs:
            self._runs[id(model)] = self._costs.of(model)
        return self._runs.get(id(model))

    def predicted_ms(self, before: onnx.ModelProto, after: onnx.ModelProto | None) -> float | None:
        """How much faster a model is predicted to be than another; None if that cannot be told."""
        if after is None:
            return None
        try:
            slow, fast = self.run_of(before), self.run_of(after)
        except DeviceError as error:
            log.debug("no gain can be predicted: %s", error)
            return None
        return None if slow is None or fast is None else slow.total_ms - fast.total_ms

    def measure(self, pairs: Iterable[Pair], progress: Progress) -> None:
        """Time all models of the pairs, if this machine is the device and can run them.

        Args:
            pairs: of which gains will be asked for.
            progress: called for each loaded and timed model.
        """
        models = {
            id(model): model
            for before, after in pairs
            if after is not None and max(before.ByteSize(), after.ByteSize()) <= MAX_MODEL_BYTES
            for model in (before, after)
        }
        if len(models) < 2 or not self._device.is_host:
            return
        if any(map(has_control_flow, models.values())):
            log.warning("nothing is measured: the model has control flow, so its latency depends on data")
            return
        try:
            self._times_ms = self._timed(models, progress)
        except DeviceError as error:
            log.warning("nothing is measured: %s", error.problem)

    def _timed(self, models: Mapping[int, onnx.ModelProto], progress: Progress) -> dict[int, float]:
        runtime = runtime_for(self._device.at("fp32"))  # which leaves files as they are
        sessions = {}
        for number, (key, model) in enumerate(models.items()):
            progress(LOADING, number, len(models))
            feeds = feeds_of(inputs_of(model, self._inputs))
            try:
                sessions[str(key)] = runtime.load(model.SerializeToString(), feeds)
            except DeviceError as error:
                log.warning("a form of the file is not timed: %s", error.problem)
        progress(LOADING, len(models), len(models))
        if len(sessions) < 2:
            return {}
        timings = measure(sessions, load_sentinel(runtime), BUDGET_S, progress=progress).timings
        return {key: timings[str(key)].typical_ms for key in models if str(key) in timings}

    def time_ms(self, model: onnx.ModelProto) -> float | None:
        """The measured latency of a model; None if it was not timed."""
        return self._times_ms.get(id(model))

    def measured_ms(self, before: onnx.ModelProto, after: onnx.ModelProto | None) -> float | None:
        """How much faster a model was than another; None if they were not timed."""
        slow, fast = (None if model is None else self.time_ms(model) for model in (before, after))
        return None if slow is None or fast is None else slow - fast
