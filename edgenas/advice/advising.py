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
from edgenas.formats import write_bytes
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_reading import Model, read_whole_model
from edgenas.onnx_latency.prediction import OnnxPrediction
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
    model = read_whole_model(path, device.batch, shapes)
    check_sizes(model)
    fix = fix_of(model.proto)
    difference = None if out is None else checked_difference(fix, path, model.inputs)
    gains = Gains(device, model.inputs, _costs(model, device, prediction))
    findings = _findings(fix, device, gains) if advise else []
    _tell_of_other_kernels(gains.run_of(fix.given), prediction, device)
    asked = [(each.having, each.without) for each in findings]
    gains.measure([*asked, *([(fix.given, fix.final)] if out and fix.changes else [])], progress)
    return Advised(
        _worth_telling(findings, fix, gains) if advise else None,
        None if out is None or difference is None else _written(out, fix, difference, gains),
    )


def _costs(model: Model, device: Device, prediction: OnnxPrediction) -> RuntimeCosts | None:
    return RuntimeCosts(device, model, prediction.known) if device.runtime == RUNTIME else None


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
    if device.runtime != RUNTIME:
        log.warning(
            "what %s makes of a file is not known, so there is no advice for %s; only --fix is possible",
            device.runtime,
            device.name,
        )
        return []
    run = gains.run_of(fix.stripped)
    assert run is not None
    simplified = fix.simplified
    return findings_in(
        Subject(device, fix.given, fix.stripped, run, simplified, simplified and gains.run_of(simplified))
    )


def _worth_telling(findings: Sequence[Finding], fix: Fix, gains: Gains) -> tuple[Advice, ...]:
    """The findings of which a gain is measured, or else predicted, or cannot be told; the largest gain first."""
    run, time_ms = gains.run_of(fix.given), gains.time_ms(fix.given)
    whole_ms = None if run is None else run.total_ms
    told: list[tuple[float, Advice]] = []
    for each in findings:
        predicted = each.cost_ms
        if each.without is not None:
            predicted = gains.predicted_ms(each.having, each.without)
        measured = gains.measured_ms(each.having, each.without)
        share = None if predicted is None or whole_ms is None else predicted / whole_ms
        gain = share if measured is None or time_ms is None else measured / time_ms
        if gain is not None and gain < NEGLIGIBLE:
            continue
        advice = Advice(
            kind=each.kind,
            nodes=each.nodes,
            problem=each.problem,
            remedy=each.remedy,
            fixable=each.fixable,
            predicted_gain_ms=predicted,
            predicted_gain_share=share,
            measured_gain_ms=measured,
        )
        told.append((0.0 if gain is None else gain, advice))
    return tuple(advice for _, advice in sorted(told, key=lambda pair: -pair[0]))


def _written(out: Path, fix: Fix, difference: tuple[float, float], gains: Gains) -> FixedFile:
    write_bytes(out, content_of(fix))
    return FixedFile(
        file=out,
        changes=fix.changes,
        nodes_before=len(fix.given.graph.node),
        nodes_after=len(fix.final.graph.node),
        max_difference=difference[0],
        tolerance=difference[1],
        predicted_gain_ms=gains.predicted_ms(fix.given, fix.final),
        measured_gain_ms=gains.measured_ms(fix.given, fix.final),
    )
