"""Measured latencies of exported models: on this machine, or on the device's board over SSH."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgenas.board.manifest import TENSORRT
from edgenas.device import Device, runtime_for
from edgenas.errors import RUN_TROUBLE, DeviceError, InputError
from edgenas.inputs.targets import board_of
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.progress import named
from edgenas.space.onnx_graph import INPUT
from edgenas.timing.loaded_models import load_sentinel
from edgenas.timing.measuring import Timing, measure
from edgenas.vocabulary import Precision

HERE_S, ON_A_BOARD_S = 5.0, 60.0
"""Seconds that measuring takes; those of a board include carrying and loading the models."""


def measuring_seconds(device: Device) -> float:
    """What one measurement of models on a device takes; 0 if they are not measured."""
    if device.is_host:
        return HERE_S
    return ON_A_BOARD_S if device.ssh else 0.0


def final_measuring_seconds(session: Session) -> float:
    """What measuring the models of a search takes in all; 0 if they are not measured."""
    return len(_timed_together(session)) * measuring_seconds(session.config.device)


def measure_final_models(session: Session, final_models: list[FinalModel]) -> list[FinalModel]:
    """Time the exported files, interleaved, if the device is this host, or a board whose file has a host.

    TensorRT times those of one precision after those of another. Figures in the store are not measured again: a resumed
    run must end with the same front.
    """
    ready = [final_model for final_model in final_models if final_model.exported]
    if not measuring_seconds(session.config.device) or not ready:
        return final_models
    if not (known := session.store.last_event("measured")):
        known = {}
        for precisions in _timed_together(session):
            chosen = [each for each in ready if each.precision in precisions]
            known |= {id_: timing.typical_ms for id_, timing in _measured_or_noted(session, chosen).items()}
        if not known:
            return final_models
        session.store.record("measured", **known)
    return [replace(final_model, measured_ms=known.get(final_model.id)) for final_model in final_models]


def _timed_together(session: Session) -> list[tuple[Precision, ...]]:
    """The precisions whose files are timed together: all, but a kit for TensorRT builds its engines at one."""
    precisions = tuple(session.predictor.parts)
    if session.config.device.runtime == TENSORRT:
        return [(each,) for each in precisions]
    return [precisions]


def _measured_or_noted(session: Session, exported: Sequence[FinalModel]) -> Mapping[str, Timing]:
    """Times of exported files by the models' ids; none, with a note on the run, if the device cannot be used."""
    if not exported:
        return {}
    try:
        return _measured(session, exported)
    except RUN_TROUBLE:
        raise
    except (DeviceError, InputError) as error:
        which = f" of models in {exported[0].precision}" if len(_timed_together(session)) > 1 else ""
        session.note(f"latency{which} was not measured: {error}")
        return {}


def _measured(session: Session, exported: Sequence[FinalModel]) -> Mapping[str, Timing]:
    """Times of the exported files by the models' ids."""
    return (_measured_here if session.config.device.is_host else _measured_on_board)(session, exported)


def _measured_on_board(session: Session, exported: Sequence[FinalModel]) -> Mapping[str, Timing]:
    device = session.config.device
    # The files have their precision already, but TensorRT must be told.
    device = device.at(exported[0].precision if device.runtime == TENSORRT else "fp32")

    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        for each in exported:
            assert each.exported is not None
            path = each.exported.path
            yield (
                maker.of_file(each.id, path)
                if each.precision == "fp32"
                else maker.of_file_as_it_is(each.id, path, {})
            )

    board = board_of(device)
    assert board is not None  # or it would not be measured
    return times_over_ssh(
        board, device, models, HERE_S, named(session.progress, "finalists")
    ).measured.timings


def _measured_here(session: Session, exported: Sequence[FinalModel]) -> Mapping[str, Timing]:
    device = session.config.device
    # The files have their precision already.
    runtime = runtime_for(device if device.converts_files else device.at("fp32"))
    loaded = {}
    for each in exported:
        assert each.exported is not None
        shape = (session.config.device.batch, each.network.channels, each.resolution, each.resolution)
        image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        loaded[each.id] = runtime.load(each.exported.path.read_bytes(), {INPUT: image})
    return measure(
        loaded, load_sentinel(runtime), HERE_S, progress=named(session.progress, "finalists")
    ).timings
