"""What ONNX Runtime runs of a model, as its optimisations leave it, and what each kernel costs on a device."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from edgenas.board import host
from edgenas.device import Device
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.device_models.fitted import model_of
from edgenas.device_models.work import DeviceModel
from edgenas.errors import DeviceError
from edgenas.onnx_latency.costing import costing_from_model
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES
from edgenas.onnx_latency.model_inputs import Input, feeds_of
from edgenas.onnx_latency.onnx_reading import Model, label, precision_of
from edgenas.onnx_latency.runtime_kernels import kernels_of, with_names
from edgenas.onnx_latency.scaled_costs import TimedKernels
from edgenas.vocabulary import Precision, Processor


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a model.

    Attributes:
        nodes: of the graph that the runtime made of it, in no order.
        kernels: that ran.
        times_ms: what each costs, as often as it ran.
        total_ms: of the call.
    """

    nodes: Sequence[onnx.NodeProto]
    kernels: Sequence[Kernel]
    times_ms: Sequence[float]
    total_ms: float

    def cost_ms(self, nodes: Iterable[onnx.NodeProto]) -> float:
        """What some of the nodes cost together."""
        names = {label(node) for node in nodes}
        pairs = zip(self.kernels, self.times_ms, strict=True)
        return sum(ms for kernel, ms in pairs if kernel.nodes[0] in names)


class RuntimeCosts:
    """Costs of a file, and of others that are made of it, on one device.

    Args:
        device: its runtime is ONNX Runtime.
        model: of the file.
        known: what costs there come from: kernels that were timed, or the device's model.
    """

    def __init__(self, device: Device, model: Model, known: TimedKernels | DeviceModel) -> None:
        self._device, self._inputs, self._known = device, model.inputs, known
        # A device at the precision of the file runs others of other precisions as they are, too.
        self._follows = device.precision == precision_of(model.proto)
        self._models: dict[Precision, DeviceModel] = {}
        blocked = stores_in_blocks(device.provider, processor_of(device))
        self._executor = OnnxExecutor(known.costs.blocked if isinstance(known, TimedKernels) else blocked)

    def of(self, model: onnx.ModelProto) -> Run:
        """Run a model once on this machine, and cost its kernels.

        Raises:
            DeviceError: ONNX Runtime cannot run it, or it is too large to be handed over.
        """
        if model.ByteSize() > MAX_MODEL_BYTES:
            raise DeviceError("the file without it would be larger than 2 GiB", "give a smaller model")
        named = with_names(model)
        feeds = feeds_of(inputs_of(model, self._inputs))
        execution = self._executor.execution(named, feeds)
        kernels = kernels_of(execution, feeds)
        if isinstance(self._known, TimedKernels):
            costs = self._known.costing(kernels, self._device)
        else:
            costs = costing_from_model(kernels, self._model_at(precision_of(model)))
        total_ms = costs.constant_ms + sum(costs.times_ms)
        return Run(list(execution.nodes.values()), kernels, costs.times_ms, total_ms)

    def _model_at(self, precision: Precision) -> DeviceModel:
        assert not isinstance(self._known, TimedKernels)
        if not self._follows or precision == self._device.precision:
            return self._known
        if precision not in self._models:
            self._models[precision] = model_of(self._device.at(precision))
        return self._models[precision]


class Neighbours:
    """Which nodes of a graph make and read a value."""

    def __init__(self, nodes: Sequence[onnx.NodeProto]) -> None:
        self._makers = {name: node for node in nodes for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in nodes:
            for name in dict.fromkeys(node.input):
                self._readers.setdefault(name, []).append(node)

    def before(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The nodes that make what a node reads."""
        return (self._makers[name] for name in node.input if name in self._makers)

    def after(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The nodes that read what a node makes."""
        return (reader for name in node.output for reader in self._readers.get(name, []))


def inputs_of(model: onnx.ModelProto, inputs: Sequence[Input]) -> list[Input]:
    """The inputs of a call, of the types that a model takes."""
    kinds: Mapping[str, int] = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    return [replace(each, kind=kinds[each.name]) for each in inputs]


def processor_of(device: Device) -> Processor | str:
    """The processor of a device: of this host as found out, of others as in its file."""
    return device.processor or (host.instructions() if device.is_host else "arm64")
