"""Whether two models compute the same, on inputs drawn at random."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from edgenas.advice.changes import has_control_flow
from edgenas.advice.own_process import MAX_S, be_the_process, run_apart
from edgenas.board.onnx_sessions import CPU, SILENT
from edgenas.onnx_latency.likely_sizes import axes_of, batch_axis
from edgenas.onnx_latency.model_inputs import Input, feeds_of
from edgenas.vocabulary import Precision

TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2, "int8": 2e-2}
"""Largest difference of an output that passes, as a share of its largest value: what rounding in another order makes in
fp32; in fp16, of ten bits; and in int8, where a value between two steps may become either."""

DRAWS = 3
"""Inputs of the asked shapes; and, where the batch is open, as many again of twice the batch."""

CONTROL_FLOW_S = 30.0
"""Of models with loops, which may never end; others get the usual time."""

MIN_LARGEST = 1e-3
"""Outputs that are all smaller are compared with this."""

_BEFORE, _AFTER, _NAMES, _FOUND = "before.onnx", "after.onnx", "names.json", "found.json"


class Difference(NamedTuple):
    """The largest difference, and the output that has it; infinite for another shape or type, or NaN in one only."""

    share: float
    output: str


def largest_difference(
    before: onnx.ModelProto, after: onnx.ModelProto, inputs: Sequence[Input]
) -> Difference:
    """Compare all outputs of two models, run by ONNX Runtime on the processor, on several inputs.

    Args:
        before: a model with all its weights.
        after: one that has the same inputs and outputs.
        inputs: those of a call.

    Raises:
        DeviceError: ONNX Runtime cannot load them, or run the first, or not within the limits of time and memory.
    """
    draws = [feeds_of(inputs, seed) for seed in range(DRAWS)]
    if larger := twice_the_batch(before, inputs):
        draws += [feeds_of(larger, seed) for seed in range(DRAWS)]
    with tempfile.TemporaryDirectory(prefix="edgenas-") as name:
        folder = Path(name)
        (folder / _BEFORE).write_bytes(before.SerializeToString())
        (folder / _AFTER).write_bytes(after.SerializeToString())
        (folder / _NAMES).write_text(json.dumps([each.name for each in inputs]), "utf-8")
        for number, feeds in enumerate(draws):
            np.savez(_draw(folder, number), *feeds.values())
        most_s = CONTROL_FLOW_S if has_control_flow(before) else MAX_S
        run_apart(__name__, folder, "comparing the outputs", most_s)
        found = json.loads((folder / _FOUND).read_text("utf-8"))
    return max((Difference(share, output) for output, share in found.items()), key=lambda each: each.share)


def twice_the_batch(model: onnx.ModelProto, inputs: Sequence[Input]) -> list[Input]:
    """The inputs of a call of twice the batch; empty if the file does not leave it open."""
    values = {value.name: value for value in model.graph.input}
    batches = {each.name: batch_axis(values[each.name]) for each in inputs}
    axes = {each.name: axes_of(values[each.name]) or [None] * len(each.shape) for each in inputs}
    names = {axes[name][i] for name, i in batches.items() if i is not None} - {None}

    def doubled(each: Input) -> Input:
        grows = [
            i in each.open_axes and (i == batches[each.name] or axis in names)
            for i, axis in enumerate(axes[each.name])
        ]
        return replace(each, shape=tuple(size << grow for size, grow in zip(each.shape, grows, strict=True)))

    larger = [doubled(each) for each in inputs]
    return larger if larger != list(inputs) else []


def _draw(folder: Path, number: int) -> Path:
    return folder / f"draw{number}.npz"


def _compare(folder: Path) -> None:
    """Leave the largest difference of each output; the process of `largest_difference`."""
    before, after = _session(folder / _BEFORE), _session(folder / _AFTER)
    names = json.loads((folder / _NAMES).read_text("utf-8"))
    outputs = [each.name for each in before.get_outputs()]
    largest = dict.fromkeys(outputs, 0.0)
    for number in range(len(list(folder.glob("draw*.npz")))):
        with np.load(_draw(folder, number)) as arrays:
            feeds = {name: arrays[f"arr_{i}"] for i, name in enumerate(names)}
        try:
            expected = before.run(outputs, feeds)
        except Exception:  # ONNX Runtime's exceptions have no common base class
            if number < DRAWS:
                raise
            continue  # the file says that its batch is open, and it is not
        try:
            found = after.run(outputs, feeds)
        except Exception:  # it computes nothing, which is as different as can be
            found = [None] * len(outputs)
        for name, one, other in zip(outputs, expected, found, strict=True):
            largest[name] = max(largest[name], difference(one, other))
    (folder / _FOUND).write_text(json.dumps(largest), "utf-8")


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=[CPU])


def difference(expected: Any, found: Any) -> float:
    """The largest difference of two outputs, as a share of the largest value that is expected.

    Numbers that are not finite must be the same, and so must be what is no float.

    Args:
        expected: an array, or a list or dictionary of such.
        found: likewise.
    """
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return float("inf")
        return max(map(difference, expected, found), default=0.0)
    if isinstance(expected, dict):
        if not isinstance(found, dict) or expected.keys() != found.keys():
            return float("inf")
        return max((difference(each, found[key]) for key, each in expected.items()), default=0.0)
    expected, found = np.asarray(expected), np.asarray(found)
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    finite = np.isfinite(expected)
    if not np.array_equal(
        np.where(finite, 0, expected), np.where(np.isfinite(found), 0, found), equal_nan=True
    ):
        return float("inf")
    if not finite.any():
        return 0.0
    one, other = (each[finite].astype(np.float64) for each in (expected, found))
    return float(np.abs(one - other).max() / max(np.abs(one).max(), MIN_LARGEST))


if __name__ == "__main__":
    be_the_process(_compare)
