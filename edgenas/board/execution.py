"""What ONNX Runtime makes of a model, and what it then runs: one run on the processor, kernel by kernel."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence, Tuple

from edgenas.board.onnx_sessions import CPU, SILENT
from edgenas.board.problem import BoardError, first_line

OPTIMISED, WEIGHTS, PROFILE = "optimised.onnx", "optimised.bin", "profile"

MAX_PROFILE_BYTES = 2**28
"""Of the runtime's own record: some 300,000 kernels."""

MAX_MEMORY_BYTES = 8 * 2**30
"""Of the model and of all its values: a loop may gather what it computes without end."""

MIN_WEIGHT_BYTES = "1024"
"""Larger weights are written beside the optimised model: only their shapes are of interest."""

_SUFFIX = "_kernel_time"

Tensors = Sequence[Tuple[str, Sequence[int]]]
"""The types and shapes of a kernel's tensors, in order; the runtime leaves out inputs that do not exist, and weights
that it keeps in a form of its own."""


class KernelRun(NamedTuple):
    """A kernel with the same shapes, run so many times.

    Attributes:
        node: its name.
        inputs: what it read.
        outputs: what it wrote.
        times: in one run of the model.
        ms: of all of them in a usual run, by the runtime's clock; 0 where the model ran only once, as a first run also
            allocates.
    """

    node: str
    inputs: Tensors
    outputs: Tensors
    times: int
    ms: float = 0.0


def executed(
    model: str, feeds: Mapping[str, Any], folder: str, disabled: Sequence[str] = (), runs: int = 1
) -> list[KernelRun]:
    """Run a model after the runtime's optimisations.

    Args:
        model: path of a model whose nodes have names, each another one.
        feeds: its inputs.
        folder: where the optimised model is written, as `OPTIMISED`; large weights are in another file.
        disabled: optimisations of the runtime that are not made, by its names.
        runs: how often; each runs the same kernels.

    Returns:
        The kernels in the order in which each ran first. Their nodes are those of the optimised model.

    Raises:
        BoardError: the runtime cannot run the model, or it runs too many kernels.
    """
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.optimized_model_filepath = str(Path(folder, OPTIMISED))
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", MIN_WEIGHT_BYTES
    )
    options.enable_profiling = True
    options.profile_file_prefix = str(Path(folder, PROFILE))
    record = ""
    try:
        with limited_memory():
            session = runtime.InferenceSession(
                model, options, providers=[CPU], disabled_optimizers=list(disabled)
            )
            for _ in range(runs):
                session.run(None, dict(feeds))
            record = session.end_profiling()
        if Path(record).stat().st_size > MAX_PROFILE_BYTES:
            raise BoardError("the model runs too many kernels", "give one with fewer steps")
        return _runs(json.loads(Path(record).read_text("utf-8")), runs)
    except BoardError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        reason = first_line(error).replace(f"Load model from {model} failed:", "")
        raise BoardError(
            f"ONNX Runtime cannot run the model ({reason})", "check the file and its sizes"
        ) from error
    finally:
        if record:
            Path(record).unlink()


@contextmanager
def limited_memory() -> Iterator[None]:
    """Let the process take `MAX_MEMORY_BYTES` beyond what it has, where the system can see to that."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    has = int(statm.read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    given = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([has + MAX_MEMORY_BYTES, *given]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _runs(events: Sequence[Mapping[str, Any]], runs: int) -> list[KernelRun]:
    found: dict[tuple[str, str, str], list[int]] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX):
            inputs, outputs = (
                json.dumps(event["args"].get(f"{side}_type_shape", [])) for side in ("input", "output")
            )
            found.setdefault((name[: -len(_SUFFIX)], inputs, outputs), []).append(int(event["dur"]))
    return [
        KernelRun(node, _tensors(inputs), _tensors(outputs), len(took) // runs, _usual_ms(took, runs))
        for (node, inputs, outputs), took in found.items()
    ]


def _usual_ms(took_us: Sequence[int], runs: int) -> float:
    """Interquartile mean over the runs but the first; whole microseconds average out."""
    times = len(took_us) // runs
    sums = sorted(sum(took_us[i * times : (i + 1) * times]) for i in range(1, runs))
    middle = sums[len(sums) // 4 : len(sums) - len(sums) // 4]
    return sum(middle) / len(middle) / 1e3 if middle else 0.0


def _tensors(text: str) -> Tensors:
    return [(kind, shape) for tensor in json.loads(text) for kind, shape in tensor.items()]
