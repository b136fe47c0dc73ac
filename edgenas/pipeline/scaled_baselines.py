"""Hand-designed networks, as wide as the latency limit allows: baselines of a search that begins from noise."""

from collections.abc import Callable

import numpy as np

from edgenas.exporting.final_network import OfSpace
from edgenas.latency.predictor import (
    LatencyPredictor,
    predictor_from_device,
    predictor_from_table,
)
from edgenas.latency.table import find_table
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.space import SearchSpace
from edgenas.space.baselines import BASELINES
from edgenas.units import format_milliseconds

WIDTHS = tuple(float(width) for width in np.round(np.arange(0.1, 4.01, 0.05), 2))


def scaled_baselines(session: Session) -> list[FinalModel]:
    """Each baseline at the largest width within the limit and no slower than the space's slowest network.

    If even the narrowest is slower than that network, it is used at that width as long as it is within the limit;
    otherwise it is left out with a note on the run. Of several image sizes, they take the largest. Blocks missing from
    the device's table are interpolated.
    """
    problem = session.problem
    limit_ms, slowest_ms = problem.max_latency_ms, problem.latency_ms(problem.predictor.slowest())
    predict, precision = baseline_predictors(session), session.config.device.precision
    found = []
    for id_, (name, make) in BASELINES.items():
        resolution = session.space.resolutions[-1]
        fitting = None
        for width in WIDTHS:
            made, architecture = make(resolution, session.space.classes, width)
            space = made.with_channels(session.space.channels) or made
            latency = predict(space).predict(architecture)
            if latency.predicted > (limit_ms if fitting is None else min(limit_ms, slowest_ms)):
                break
            fitting = FinalModel(
                id_, OfSpace(space, architecture), precision, latency, name=f"{name} x{width:g}"
            )
        if fitting is None:
            session.note(
                f"{name} is left out: at width {WIDTHS[0]:g} it takes {latency.text}, "
                f"above the limit of {format_milliseconds(limit_ms)}"
            )
        else:
            found.append(fitting)
    return found


def baseline_predictors(session: Session) -> Callable[[SearchSpace], LatencyPredictor]:
    """Maps a baseline's space to a predictor with the same source of latencies as the search."""
    device = session.config.device
    table = find_table(device)
    if table is None:
        return lambda space: predictor_from_device(space, device)
    return lambda space: predictor_from_table(space, device, table[1], "interpolate")
