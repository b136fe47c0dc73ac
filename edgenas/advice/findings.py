"""What in a model costs needlessly on a device: a table of finders, each for problems of one kind."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from edgenas.advice.changes import in_fp32, with_float_convolutions
from edgenas.advice.record import Kind
from edgenas.advice.runtime_costs import Neighbours, Run, processor_of
from edgenas.board.onnx_sessions import CPU
from edgenas.device import Device
from edgenas.onnx_latency.onnx_reading import label, precision_of, values_read
from edgenas.units import counted

FIX = "write a file without it: --fix OUT.onnx"

MAX_OPERATORS = 5
"""Operators in one line."""

_NORM = "BatchNormalization"
_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"
_CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose", "QLinearConv")
_RESCALED = ("Cast", "Mul", _QUANTISE, _DEQUANTISE)
_REORDERS = ("ReorderInput", "ReorderOutput")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that costs needlessly.

    Attributes:
        kind: of what it is.
        nodes: names of the nodes concerned.
        problem: what it is, for people.
        remedy: what to do about it.
        having: a model that has it.
        without: the same model without it, if that can be made.
        cost_ms: else what the kernels concerned cost.
        fixable: whether `fixing` does that.
    """

    kind: Kind
    nodes: tuple[str, ...]
    problem: str
    remedy: str
    having: onnx.ModelProto
    without: onnx.ModelProto | None = None
    cost_ms: float | None = None
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What finders look at.

    Attributes:
        device: where it runs, by ONNX Runtime.
        given: the model, with all its weights.
        stripped: the same without weights among its inputs.
        model: also without nodes that no output depends on.
        run: what is run of `model`.
        simplified: `model` simplified, if it could be.
        simplified_run: what is run of that.
    """

    device: Device
    given: onnx.ModelProto
    stripped: onnx.ModelProto
    model: onnx.ModelProto
    run: Run
    simplified: onnx.ModelProto | None
    simplified_run: Run | None


Finder = Callable[[Subject], Iterator[Finding]]


def findings_in(subject: Subject) -> list[Finding]:
    """All that costs needlessly in a model, each apart from the others; gains are yet to be computed."""
    return [finding for find in FINDERS for finding in find(subject)]


def _weights_as_inputs(subject: Subject) -> Iterator[Finding]:
    inputs = {value.name for value in subject.given.graph.input}
    weights = inputs & {tensor.name for tensor in subject.given.graph.initializer}
    if not weights:
        return
    readers = [node for node in subject.given.graph.node if not weights.isdisjoint(values_read(node))]
    norms = [node for node in readers if node.op_type == _NORM]
    hindered = f", such as {counted(len(norms), 'batch norms')}" if norms else ""
    yield Finding(
        "weights-as-inputs",
        _names(norms or readers),
        f"{counted(len(weights), 'weights')} listed as inputs too: a call may replace them, so ONNX Runtime folds "
        f"nothing into them{hindered}",
        FIX,
        having=subject.given,
        without=subject.stripped,
        fixable=True,
    )


def _unneeded(subject: Subject) -> Iterator[Finding]:
    """What the runtime runs although no output depends on it."""
    needed = {output for node in subject.model.graph.node for output in node.output}
    unneeded = [node for node in subject.stripped.graph.node if needed.isdisjoint(node.output)]
    if unneeded:
        yield Finding(
            "redundant-nodes",
            _names(unneeded),
            f"{_counted_operators(Counter(node.op_type for node in unneeded))} that no output needs",
            FIX,
            having=subject.stripped,
            without=subject.model,
            fixable=True,
        )


def _simplifiable(subject: Subject) -> Iterator[Finding]:
    """What a simplifier removes and the runtime itself does not."""
    if subject.simplified is None or subject.simplified_run is None:
        return
    left = {kernel.nodes[0] for kernel in subject.simplified_run.kernels}
    gone = _passes(subject.run) - _passes(subject.simplified_run)
    nodes = {
        name: [
            each.nodes[0]
            for each in subject.run.kernels
            if each.operators[0] == name and each.nodes[0] not in left
        ]
        for name in gone
    }
    if not any(nodes.values()):
        return
    norms = gone[_NORM]
    problem = (
        f"{counted(norms, 'batch norms')} not folded into the weights before"
        if norms
        else f"{_counted_operators(gone)} that need not run: constants, or folded into what is around them"
    )
    yield Finding(
        "unfolded-batch-norm" if norms else "redundant-nodes",
        tuple(nodes[_NORM] if norms else [name for each in nodes.values() for name in each]),
        problem,
        FIX,
        having=subject.model,
        without=subject.simplified,
        fixable=True,
    )


def _norms_alone(subject: Subject) -> Iterator[Finding]:
    """Batch norms that nothing folds, although all that reads a convolution is one: it was quantised before."""
    run = subject.simplified_run or subject.run
    around = Neighbours(run.nodes)
    norms = [node for node in run.nodes if node.op_type == _NORM and _is_of_convolution(node, around)]
    if norms:
        yield Finding(
            "unfolded-batch-norm",
            _names(norms),
            f"{counted(len(norms), 'batch norms')} after convolutions, which ONNX Runtime cannot fold into them",
            "export in evaluation mode, and fold before quantising (onnxruntime.quantization.preprocess)",
            having=subject.model,
            cost_ms=run.cost_ms(norms),
        )


def _is_of_convolution(node: onnx.NodeProto, around: Neighbours) -> bool:
    """Whether a node reads a convolution, perhaps rescaled, that nothing else reads."""
    while (made := next(around.before(node), None)) is not None:
        if len(list(around.after(made))) > 1:
            return False
        if made.op_type in _CONVOLUTIONS:
            return True
        if made.op_type not in _RESCALED:
            return False
        node = made
    return False


def _dynamic_convolutions(subject: Subject) -> Iterator[Finding]:
    nodes = [node for node in subject.model.graph.node if node.op_type == "ConvInteger"]
    if nodes and subject.device.provider == CPU:
        yield Finding(
            "dynamic-quantised-convolution",
            _names(nodes),
            f"{counted(len(nodes), 'convolutions')} quantised dynamically: each call looks for the range of an input "
            "first, and ConvInteger is slower than Conv",
            "quantise them with calibration images (onnxruntime.quantization.quantize_static), or not at all "
            "(quantize_dynamic with op_types_to_quantize=['MatMul'])",
            having=subject.model,
            without=with_float_convolutions(subject.model),
        )


def _half_precision(subject: Subject) -> Iterator[Finding]:
    """On x86 processors: for those of Arm, the runtime has kernels in fp16."""
    if subject.device.provider != CPU or not processor_of(subject.device).startswith("x86"):
        return
    half = [each for each in subject.model.graph.initializer if each.data_type == TensorProto.FLOAT16]
    if not half and precision_of(subject.model) != "fp16":
        return
    names = {tensor.name for tensor in half}
    casts = sum(kernel.operators[0] == "Cast" for kernel in subject.run.kernels)
    yield Finding(
        "fp16-without-hardware",
        _names(node for node in subject.model.graph.node if not names.isdisjoint(node.input)),
        "its weights are in fp16, in which x86 processors do not compute: ONNX Runtime casts to fp32 and back "
        f"({counted(casts, 'casts')} in a call)",
        "use the file in fp32 there",
        having=subject.model,
        without=in_fp32(subject.model),
    )


def _reorders(subject: Subject) -> Iterator[Finding]:
    """Channels are stored in blocks between convolutions: what brings them into that layout and back."""
    around = Neighbours(subject.run.nodes)
    beside = {
        id(node): list(around.before(node) if node.op_type == _REORDERS[0] else around.after(node))
        for node in subject.run.nodes
        if node.op_type in _REORDERS
    }
    reorders = [node for node in subject.run.nodes if beside.get(id(node))]  # not the first and the last one
    causes = {id(each): each for nodes in beside.values() for each in nodes if each.op_type not in _REORDERS}
    if causes and any(node.op_type == "ReorderInput" for node in reorders):  # they are left once in any case
        yield Finding(
            "layout-reorder",
            _names(causes.values()),
            f"{counted(len(reorders), 'reorders')} of channels into blocks or back, around "
            f"{_counted_operators(Counter(each.op_type for each in causes.values()))}",
            "use operators there that take blocks: activations, Add, Concat of whole blocks of channels, pooling",
            having=subject.model,
            cost_ms=subject.run.cost_ms(reorders),
        )


def _fallbacks(subject: Subject) -> Iterator[Finding]:
    """Operators in float between quantised ones, and those whose weights are dequantised in each call."""
    around = Neighbours(subject.run.nodes)
    quantise = [node for node in subject.run.nodes if node.op_type == _QUANTISE]
    dequantise = [node for node in subject.run.nodes if node.op_type == _DEQUANTISE]
    inputs = {value.name for value in subject.model.graph.input}
    of_weights = [node for node in dequantise if not any(around.before(node)) and node.input[0] not in inputs]
    weighted = [each for node in of_weights for each in around.after(node) if each.op_type != _QUANTISE]
    before = {id(node) for node in _reached(quantise, around.before)}
    of_values = [node for node in dequantise if any(around.before(node))]
    between = [node for node in _reached(of_values, around.after) if id(node) in before]
    concerned = {id(node): node for node in (*between, *weighted)}
    if not concerned:
        return
    conversions = [node for node in dequantise if any(id(each) in concerned for each in around.after(node))]
    conversions += [node for node in quantise if any(id(each) in concerned for each in around.before(node))]
    operators = Counter(each.op_type for each in concerned.values())
    yield Finding(
        "fallback-to-float",
        _names(concerned.values()),
        f"{_counted_operators(operators)} in float in a quantised network, with "
        f"{counted(len(conversions), 'conversions')} from int8 and back",
        "use operators there that ONNX Runtime has in int8, quantised at input and output; or leave their "
        "neighbours in float too (nodes_to_exclude of onnxruntime.quantization)",
        having=subject.model,
        cost_ms=subject.run.cost_ms(conversions),
    )


FINDERS: Sequence[Finder] = (
    _weights_as_inputs,
    _unneeded,
    _simplifiable,
    _norms_alone,
    _dynamic_convolutions,
    _half_precision,
    _reorders,
    _fallbacks,
)


def _reached(
    begin: Iterable[onnx.NodeProto], step: Callable[[onnx.NodeProto], Iterable[onnx.NodeProto]]
) -> list[onnx.NodeProto]:
    """The nodes that are reached in steps, as far as the next conversion."""
    found: dict[int, onnx.NodeProto] = {}
    pending = [each for node in begin for each in step(node)]
    while pending:
        node = pending.pop()
        if id(node) not in found and node.op_type not in (_QUANTISE, _DEQUANTISE):
            found[id(node)] = node
            pending.extend(step(node))
    return list(found.values())


def _names(nodes: Iterable[onnx.NodeProto]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label(node) for node in nodes))


def _passes(run: Run) -> Counter[str]:
    """How often each operator runs that multiplies nothing, reorders left out: these follow from the others."""
    return Counter(
        kernel.operators[0]
        for kernel in run.kernels
        if not kernel.macs and not kernel.operators[0].endswith(_REORDERS)
    )


def _counted_operators(counts: Counter[str]) -> str:
    """How many of which operators, the most frequent first: `3 Transpose, 1 Softmax`."""
    more = len(counts) - MAX_OPERATORS
    rest = f" and {counted(more, 'other kinds')}" if more > 0 else ""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common(MAX_OPERATORS)) + rest
