"""Advice on a file: what is found in it, what that costs, and the file without it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgenas.advice.findings import Finding, Subject, findings_in
from edgenas.advice.fixing import Fix, check_out, checked_difference, content_of, fix_of
from edgenas.advice.gains import Gains
from edgenas.advice.record import Advice, FixedFile
from edgenas.advice.runtime_costs import Run, RuntimeCosts
from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.formats import write_bytes
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.onnx_latency.prediction import OnnxPrediction
from edgenas.onnx_latency.scaled_costs import TimedKernels
from edgenas.onnx_latency.shape_inference import check_sizes
from edgenas.progress import Progress, silent
from edgenas.units import format_milliseconds

log = logging.getLogger(__name__)

NEGLIGIBLE = 0.02
"""Share of a file's latency below which a gain is not worth a line, and hardly to be measured."""

NOTABLE = 0.1
"""Difference of two predictions of one file that is told."""

RUNTIME = "onnxruntime"
"""Whose optimisations are asked for."""


@dataclass(frozen=True, slots=True)
class Advised:
    """What was found, the largest gain first, and the file that was written; None for what was not asked for."""

    advice: tuple[Advice, ...] | None
    fixed: FixedFile | None


def advised(
    path: Path,
    device: Device,
    shapes: Shapes,
    prediction: OnnxPrediction,
    *,
    advise: bool = True,
    out: Path | None = None,
    progress: Progress = silent,
) -> Advised:
    """Look for what costs needlessly in an ONNX file, and write one without it.

    Args:
        path: the file.
        device: on which.
        shapes: of all inputs of a call.
        prediction: of its latency on that device.
        advise: whether to look for all of it.
        out: where the fixed file is written; None for nowhere.
        progress: called while models are timed.

    Raises:
        InputError: the file cannot be used, or none be written there.
        VerificationError: the outputs of the fixed file differ.
        DeviceError: ONNX Runtime cannot run the file.
    """
    if out is not None:
        check_out(path, out)
    is_known = device.runtime == RUNTIME
    if advise and not is_known:
        log.warning(
            "what %s makes of a file is not known, so there is no advice for %s; only --fix is possible",
            device.runtime,
            device.name,
        )
    model = read_whole_model(path, device.batch, shapes)
    check_sizes(model)
    costs = RuntimeCosts(device, model, prediction.known) if is_known else None
    gains = Gains(device, model.inputs, costs)
    run = gains.run_of(model.proto)  # soon, if it never ends
    are_timed = isinstance(prediction.known, TimedKernels)
    if not are_timed:
        _tell_of_other_kernels(run, prediction, device)
    if not is_known and out is None:
        return Advised(None, None)
    fix = fix_of(model.proto)
    difference = None if out is None else checked_difference(fix, path, model.inputs)
    findings = _findings(fix, device, gains) if advise and is_known else []
    asked = [(each.having, each.without) for each in findings]
    gains.measure([*asked, *([(fix.given, fix.final)] if out and fix.changes else [])], progress)
    advice = _worth_telling(findings, fix, gains, are_timed) if findings else ()
    return Advised(
        advice if advise and is_known else None,
        None if out is None or difference is None else _written(out, fix, difference, gains),
    )


def _tell_of_other_kernels(run: Run | None, prediction: OnnxPrediction, device: Device) -> None:
    """Where no kernels were timed, the prediction is of a file in which all is fused that usually can be."""
    predicted_ms = prediction.latency.predicted
    if run is not None and abs(run.total_ms - predicted_ms) > NOTABLE * predicted_ms:
        log.warning(
            "on %s no kernels of ONNX files were timed, and the prediction assumes the usual fusions; of what ONNX "
            "Runtime runs of this file, the sum is %s, and gains are of that",
            device.name,
            format_milliseconds(run.total_ms),
        )


def _findings(fix: Fix, device: Device, gains: Gains) -> list[Finding]:
    run, simplified = gains.run_of(fix.needed), fix.simplified
    assert run is not None
    simplified_run = None
    if simplified is not None:
        try:
            simplified_run = gains.run_of(simplified)
        except DeviceError as error:
            log.warning("what simplifying the file gains is not known: %s", error.problem)
            simplified = None
    return findings_in(Subject(device, fix.given, fix.stripped, fix.needed, run, simplified, simplified_run))


def _worth_telling(
    findings: Sequence[Finding], fix: Fix, gains: Gains, are_timed: bool
) -> tuple[Advice, ...]:
    """The findings with a gain, and those of which it cannot be told; the largest gain first.

    What is measured decides; where kernels were timed, the prediction must say the same: timings of two files that run
    alike differ by percents, too.
    """
    run, time_ms = gains.run_of(fix.given), gains.time_ms(fix.given)
    assert run is not None
    told: list[tuple[float, Advice]] = []
    for each in findings:
        predicted = each.cost_ms if each.without is None else gains.predicted_ms(each.having, each.without)
        measured = gains.measured_ms(each.having, each.without)
        share = None if predicted is None else predicted / run.total_ms
        shares = [] if measured is None or time_ms is None else [measured / time_ms]
        shares += [share] if share is not None and (are_timed or not share or not shares) else []
        gain = min(shares, default=None)
        if gain is None or gain >= NEGLIGIBLE:
            told.append((gain or 0.0, _advice(each, predicted, share, measured)))
    return tuple(advice for _, advice in sorted(told, key=lambda pair: -pair[0]))


def _advice(
    finding: Finding, predicted_ms: float | None, share: float | None, measured_ms: float | None
) -> Advice:
    return Advice(
        kind=finding.kind,
        nodes=finding.nodes,
        problem=finding.problem,
        remedy=finding.remedy,
        fixable=finding.fixable,
        predicted_gain_ms=predicted_ms,
        predicted_gain_share=share,
        measured_gain_ms=measured_ms,
    )


def _written(out: Path, fix: Fix, difference: tuple[float, float], gains: Gains) -> FixedFile:
    write_bytes(out, content_of(fix))
    return FixedFile(
        onnx=out,
        changes=fix.changes,
        nodes_before=len(fix.given.graph.node),
        nodes_after=len(fix.final.graph.node),
        max_difference_share=difference[0],
        tolerance_share=difference[1],
        predicted_gain_ms=gains.predicted_ms(fix.given, fix.final),
        measured_gain_ms=gains.measured_ms(fix.given, fix.final),
    )
