"""Accuracy of predictions: random whole networks, predicted and then timed.

A machine's speed drifts (one whose cache-resident sentinel was constant to 0.5 % ran whole networks 5 % faster a minute
later, when other virtual machines had become idle). Measured errors therefore mix errors of the table with drift of the
machine. To separate them, some networks of the calibration are timed again among the others, as control measurements:
the median ratio of their times now and then is the `pace`, and `at_table_pace` has the errors after dividing the
measured latencies by it.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_serializer, model_validator

from edgenas.board import host
from edgenas.board.bursts import is_usual
from edgenas.device import Device, Provenance, data_folders
from edgenas.device.catalogue import TABLES
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.formats import Document, read_json, write_json
from edgenas.latency.agreement import Agreement, Errors, agreement
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.latency.predictor import predictor_from_device, predictor_from_table
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.latency.table import LatencyTable, table_path
from edgenas.profiling.model_times import ModelTimes
from edgenas.space import Architecture, Block, NetworkSpace
from edgenas.timing.measuring import Measurement
from edgenas.units import change_of_speed
from edgenas.vocabulary import Missing

log = logging.getLogger(__name__)

BUDGET_S = 40.0
"""Target duration of a validation's timing, seconds; exceeded if the minimum number of rounds takes longer."""

MIN_NETWORKS = 2

FRUITLESS_DRAWS = 5000
"""A space counts as exhausted after this many random draws without a new network."""

FOLDER = "validation"


TimeNetworks = Callable[[Mapping[str, Sequence[Block]]], ModelTimes]
"""Times networks, given as chains of blocks by their ids; those that cannot be run are missing in the answer."""


class Pair(Document):
    """One network's predicted and measured latency; `architecture` is its id."""

    architecture: str
    choices: tuple[str, ...]
    latency: Latency

    @property
    def measured_ms(self) -> float:
        """The typical time, as in a table."""
        assert self.latency.measured is not None, "a pair was measured"
        return self.latency.measured

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.latency.predicted / self.measured_ms - 1

    @model_validator(mode="before")
    @classmethod
    def _latency_from_columns(cls, value: Any) -> Any:
        """JSON has the figures beside the id: `predicted_ms`, `low_ms`, `high_ms`, `measured_ms`, `provenance`."""
        if not isinstance(value, dict) or "latency" in value:
            return value
        rest = dict(value)
        names = {"provenance": "provenance"} | {
            f"{n}_ms": n for n in ("predicted", "low", "high", "measured")
        }
        latency = {name: rest.pop(column) for column, name in names.items() if column in rest}
        return {**rest, "latency": latency}

    @model_validator(mode="after")
    def _was_measured(self) -> "Pair":
        if self.latency.measured is None:
            raise ValueError("measured_ms is missing")
        return self

    @model_serializer
    def _columns(self) -> dict[str, Any]:
        return {"architecture": self.architecture, "choices": self.choices, **self.latency.columns}


class Validation(Agreement):
    """Results and conditions of a validation; `retaken` and `disturbed` as in `Measurement`."""

    schema_: Literal["edgenas.validation/1"] = Field(default="edgenas.validation/1", alias="schema")
    networks: int = Field(ge=1)
    device: str
    table: str = Field(description="name of the table, whether or not it exists")
    space: str = Field(description="the space's signature")
    provenance: Provenance
    table_checksum: str | None = Field(description="of the predictor; None for the device's model")
    runtime_version: str
    measured_at: str = Field(description="ISO 8601, UTC")
    host: str = Field(description="fingerprint of the machine measured on")
    seed: int = Field(ge=0)
    sentinel_ratio: float | None = Field(
        gt=0, description="time of the sentinel / that in the table: above 1 the machine is slower now"
    )
    pace: float | None = Field(
        gt=0,
        description="time of reference networks / that in the table (median); None without any",
    )
    at_table_pace: Errors | None = Field(
        description="with measured times divided by the pace; None without a pace, or one too large for drift"
    )
    retaken: int = Field(ge=0)
    disturbed: float = Field(ge=0, le=1)
    pairs: tuple[Pair, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _pairs_have_a_provenance(cls, value: Any) -> Any:
        """Files of earlier versions have one provenance for all pairs."""
        if not (isinstance(value, dict) and isinstance(value.get("pairs"), list)):
            return value
        shared = {"provenance": value.get("provenance")}
        return {
            **value,
            "pairs": [shared | pair if isinstance(pair, dict) else pair for pair in value["pairs"]],
        }

    @property
    def worst(self) -> tuple[Pair, ...]:
        """The pairs by descending relative error."""
        return tuple(sorted(self.pairs, key=lambda pair: -abs(pair.error)))


def validate(
    space: NetworkSpace,
    device: Device,
    table: LatencyTable | None,
    networks: int,
    time: TimeNetworks,
    seed: int = 0,
    missing: Missing = "refuse",
) -> Validation:
    """Predict and time random networks that were not in the calibration; warn if the machine's speed has changed.

    Args:
        space: networks are drawn from it.
        device: where they run, at its batch size.
        table: the basis of the predictions; None for the device's model.
        networks: how many, at least two.
        time: times them, here or on a board.
        seed: draws them.
        missing: what to do about blocks, or a calibration, that the table lacks.

    Raises:
        InputError: the space has fewer such networks.
        IncompleteTableError: as `predictor_from_table`.
        DeviceError: fewer than two networks could be timed.
    """
    predictor = by_resolution(
        space,
        lambda each: (
            predictor_from_device(each, device)
            if table is None
            else predictor_from_table(each, device, table, missing, space)
        ),
    )
    chosen = unseen_networks(space, networks, seed, _calibrated_on(space, table))
    known = _references(space, table)
    times = time({each.id: space.blocks(each) for each in (*chosen, *known)})
    measured = times.measured
    timed = [architecture for architecture in chosen if architecture.id in measured.timings]
    if len(timed) < MIN_NETWORKS:
        raise DeviceError(
            f"{device.name} could time only {len(timed)} of {len(chosen)} networks", "see the warnings above"
        )
    pairs = tuple(_pair(predictor, measured, architecture) for architecture in timed)
    last = space.at(space.resolutions[-1]).signature
    sentinel_ratio = measured.sentinel_ms / table.sentinel_of(last) if table else None
    pace = _pace(measured, known)
    change = pace or sentinel_ratio
    if change and not is_usual(change):
        _warn_of_change(device, change)
    return Validation(
        **dict(agreement_of(pairs)),
        networks=len(pairs),
        device=device.name,
        table=device.table_name,
        space=space.signature,
        provenance=predictor.provenance,
        table_checksum=predictor.table_checksum,
        runtime_version=times.runtime_version,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=times.host,
        seed=seed,
        sentinel_ratio=sentinel_ratio,
        pace=pace,
        at_table_pace=_errors_at_table_pace(pairs, pace) if pace and is_usual(pace) else None,
        retaken=measured.retaken,
        disturbed=measured.disturbed,
        pairs=pairs,
    )


def _calibrated_on(space: NetworkSpace, table: LatencyTable | None) -> set[str]:
    """Ids, in the spaces of their image sizes, of the networks that the table was calibrated on."""
    parts = (table.calibration_of(space.at(size).signature) for size in space.resolutions) if table else ()
    return {id_ for calibration in parts if calibration for id_ in calibration.networks}


def _references(space: NetworkSpace, table: LatencyTable | None) -> dict[Architecture, float]:
    """Networks of the calibrations, of several image sizes some each, with their times in milliseconds."""
    known = {}
    for size in space.resolutions:
        part = space.at(size)
        calibration = table.calibration_of(part.signature) if table else None
        for reference in calibration.references[:: len(space.resolutions)] if calibration else ():
            known[space.joined(size, part.architecture(reference.choices))] = reference.measured_ms
    return known


def unseen_networks(space: NetworkSpace, count: int, seed: int, seen: Collection[str]) -> list[Architecture]:
    """Draw distinct random networks whose ids, in the space of their image size, are not among the `seen`.

    Raises:
        InputError: the space has fewer.
    """
    # A separate stream: otherwise a profile with the same seed would have drawn the same networks.
    rng = np.random.default_rng([seed, 1])
    found: dict[str, Architecture] = {}
    fruitless = 0
    while len(found) < count:
        architecture = space.sample(rng)
        known = architecture.id in found or space.sized(architecture).architecture.id in seen
        fruitless = fruitless + 1 if known else 0
        if fruitless == FRUITLESS_DRAWS:
            raise InputError(
                f"{space.signature} has only {len(found)} networks that its table was not calibrated on",
                f"give --networks {len(found)} or fewer"
                if len(found) >= MIN_NETWORKS
                else "profile it again on fewer networks",
            )
        if not fruitless:
            found[architecture.id] = architecture
    return list(found.values())


def agreement_of(pairs: Sequence[Pair], pace: float = 1.0) -> Agreement:
    """Compare predicted with measured latencies of at least one network, the latter divided by `pace`."""
    return agreement(
        [pair.latency.predicted for pair in pairs],
        [pair.latency.low for pair in pairs],
        [pair.latency.high for pair in pairs],
        [pair.measured_ms / pace for pair in pairs],
    )


def _errors_at_table_pace(pairs: Sequence[Pair], pace: float) -> Errors:
    return Errors(**agreement_of(pairs, pace).model_dump(include=set(Errors.model_fields)))


def validation_path(device: Device, space: str) -> Path:
    """Path of the validation of a space, given by its signature: beside the device's tables."""
    return table_path(device).parent / FOLDER / _file_name(device, space)


def save_validation(device: Device, validation: Validation) -> Path:
    """Write a validation to where `find_validation` finds it, replacing an earlier one; return the path.

    Raises:
        InputError: the folder cannot be written.
    """
    path = validation_path(device, validation.space)
    write_json(path, validation)
    return path


def find_validation(device: Device, space: str, table_checksum: str | None) -> Validation | None:
    """The validation of the predictions identified by the space's signature and the predictor's checksum.

    For a device that is "this host", validations of other machines are ignored. A file that cannot be read is skipped
    with a warning: it must not prevent a report.
    """
    for folder in data_folders(TABLES):
        path = folder / device.name / FOLDER / _file_name(device, space)
        if not path.is_file():
            continue
        try:
            found = read_json(path, Validation)
        except FileFormatError as error:
            log.warning("%s: ignored", error.problem)
            continue
        here = not device.is_host or found.host == host.fingerprint(device.uses_gpu)
        if here and found.table_checksum == table_checksum:
            return found
    return None


def _file_name(device: Device, space: str) -> str:
    return f"{device.table_name}-{space}.json"


def _pair(predictor: NetworkPredictor, measured: Measurement, architecture: Architecture) -> Pair:
    latency = predictor.predict(architecture)
    return Pair(
        architecture=architecture.id,
        choices=architecture.choices,
        latency=replace(latency, measured=measured.timings[architecture.id].typical_ms),
    )


def _pace(measured: Measurement, known: Mapping[Architecture, float]) -> float | None:
    """Median ratio of the references' times now and then; None without references."""
    ratios = [
        measured.timings[network.id].typical_ms / then_ms
        for network, then_ms in known.items()
        if network.id in measured.timings
    ]
    return float(np.median(ratios)) if ratios else None


def _warn_of_change(device: Device, pace: float) -> None:
    log.warning(
        "%s now runs %s than when it was profiled; see edgenas doctor, or profile it again",
        device.name,
        change_of_speed(pace),
    )
