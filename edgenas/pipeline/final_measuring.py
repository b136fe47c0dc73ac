"""Measured latencies of exported models: on this machine, or on the device's board over SSH."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgenas.device import Device, runtime_for
from edgenas.errors import DeviceError, InputError
from edgenas.inputs.targets import board_of
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.space.onnx_graph import INPUT
from edgenas.timing.loaded_models import load_sentinel
from edgenas.timing.measuring import Timing, measure
from edgenas.vocabulary import Precision

HERE_S, ON_A_BOARD_S = 5.0, 60.0
"""Seconds that measuring takes; those of a board include carrying and loading the models."""


def measuring_seconds(device: Device) -> float:
    """What measuring the models of a search on a device takes; 0 if they are not measured."""
    if device.is_host:
        return HERE_S
    return ON_A_BOARD_S if device.ssh else 0.0


def measure_final_models(session: Session, final_models: list[FinalModel]) -> list[FinalModel]:
    """Time the exported files, interleaved, if the device is this host, or a board whose file has a host.

    Figures in the store are not measured again: a resumed run must end with the same front.
    """
    ready = [final_model for final_model in final_models if final_model.exported]
    if not measuring_seconds(session.config.device) or not ready:
        return final_models
    if not (known := session.store.last_event("measured")):
        try:
            measured = _measured(session, ready)
        except (DeviceError, InputError) as error:
            session.note(f"latency was not measured: {error}")
            return final_models
        known = {id_: timing.typical_ms for id_, timing in measured.items()}
        session.store.record("measured", **known)
    return [replace(final_model, measured_ms=known.get(final_model.id)) for final_model in final_models]


def _measured(session: Session, exported: Sequence[FinalModel]) -> Mapping[str, Timing]:
    """Times of the exported files by the models' ids."""
    if session.config.device.is_host:
        return _measured_here(session, exported)
    timings: dict[str, Timing] = {}
    for precision in session.predictor.parts:
        chosen = [each for each in exported if each.precision == precision]
        if chosen:
            timings |= _measured_on_board(session, precision, chosen)
    return timings


def _measured_on_board(
    session: Session, precision: Precision, exported: Sequence[FinalModel]
) -> Mapping[str, Timing]:
    device = session.config.device.at(precision)

    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        for each in exported:
            assert each.exported is not None
            path = each.exported.path
            yield (
                maker.of_file(each.id, path)
                if precision == "fp32"
                else maker.of_file_as_it_is(each.id, path, {})
            )

    board = board_of(device)
    assert board is not None  # or it would not be measured
    return times_over_ssh(board, device, models, HERE_S, session.progress).measured.timings


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
    return measure(loaded, load_sentinel(runtime), HERE_S, progress=session.progress).timings
