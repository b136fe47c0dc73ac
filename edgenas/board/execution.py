"""What ONNX Runtime makes of a model, and what it then runs: one run on the processor, kernel by kernel."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any, List, Mapping, NamedTuple, Sequence, Tuple

from edgenas.board.onnx_sessions import CPU, SILENT
from edgenas.board.problem import BoardError, first_line

OPTIMISED, WEIGHTS, PROFILE = "optimised.onnx", "optimised.bin", "profile"

MAX_PROFILE_BYTES = 2**28
"""Of the runtime's own record: some 300,000 kernels."""

MIN_WEIGHT_BYTES = "1024"
"""Larger weights are written beside the optimised model: only their shapes are of interest."""

_SUFFIX = "_kernel_time"

Tensors = Sequence[Tuple[str, Sequence[int]]]
"""The types and shapes of a kernel's tensors, in order; the runtime leaves out inputs that do not exist, and weights
that it keeps in a form of its own."""


class KernelRun(NamedTuple):
    """A kernel with the same shapes, run so many times."""

    node: str
    inputs: Tensors
    outputs: Tensors
    times: int


def executed(
    model: str, feeds: Mapping[str, Any], folder: str, disabled: Sequence[str] = ()
) -> List[KernelRun]:
    """Run a model once, after the runtime's optimisations.

    Args:
        model: path of a model whose nodes have names, each another one.
        feeds: its inputs.
        folder: where the optimised model is written, as `OPTIMISED`; large weights are in another file.
        disabled: optimisations of the runtime that are not made, by its names.

    Returns:
        The kernels in the order in which each ran first. Their nodes are those of the optimised model.

    Raises:
        BoardError: the runtime cannot run the model, or it runs too many kernels.
    """
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.optimized_model_filepath = os.path.join(folder, OPTIMISED)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", MIN_WEIGHT_BYTES
    )
    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(folder, PROFILE)
    record = ""
    try:
        session = runtime.InferenceSession(
            model, options, providers=[CPU], disabled_optimizers=list(disabled)
        )
        session.run(None, dict(feeds))
        record = session.end_profiling()
        if os.path.getsize(record) > MAX_PROFILE_BYTES:
            raise BoardError("the model runs too many kernels", "give one with fewer steps")
        with open(record, encoding="utf-8") as file:
            return _runs(json.load(file))
    except BoardError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        reason = first_line(error).replace(f"Load model from {model} failed:", "")
        raise BoardError(f"ONNX Runtime cannot run the model ({reason})", "check the file") from error
    finally:
        if record:
            os.remove(record)


def _runs(events: Sequence[Mapping[str, Any]]) -> List[KernelRun]:
    counts: Counter[Tuple[str, str, str]] = Counter()
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX):
            shapes = (json.dumps(event["args"].get(f"{side}_type_shape", [])) for side in ("input", "output"))
            counts[(name[: -len(_SUFFIX)], *shapes)] += 1
    return [
        KernelRun(node, _tensors(inputs), _tensors(outputs), times)
        for (node, inputs, outputs), times in counts.items()
    ]


def _tensors(text: str) -> Tensors:
    return [(kind, shape) for tensor in json.loads(text) for kind, shape in tensor.items()]
