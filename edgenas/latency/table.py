"""Latency tables: measured block times of one device under one runtime, precision, thread count and batch."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock
from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from edgenas.board import host
from edgenas.board.energy import MAX_MJ
from edgenas.board.manifest import RUNTIMES
from edgenas.device import Device, data_folders
from edgenas.device.catalogue import TABLES
from edgenas.device.device import MAX_BATCH, MAX_THREADS
from edgenas.device.target import searched_scheme_of
from edgenas.errors import FileFormatError, InputError, UnwritableError
from edgenas.formats import MAX_COUNT, MAX_MS, Document, Line, Milliseconds, read_json, write_json
from edgenas.space.block import block_from_key
from edgenas.units import counted
from edgenas.user_folders import data_folder
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)

_IDENTITY = {
    "device": "name",
    "runtime": "runtime",
    "provider": "provider",
    "precision": "precision",
    "threads": "threads",
    "batch": "batch",
}
"""Fields of a table that must equal those of its device; they determine the table's folder and file name."""

_OPTIONAL = ("inferences", "fragments", "changed", "boards", "energies", "quantisation")
"""Sections that earlier versions lack; excluded from the checksum when empty, so that old checksums stay valid."""


MAX_FACTOR = 1e6
"""Of any ratio."""

Overhead = Annotated[float, Field(ge=0, le=MAX_MS)]
Offset = Annotated[float, Field(ge=-MAX_MS, le=MAX_MS)]

MAX_PIECES, MAX_DISTINCT = 1000, 5000
"""Of fragments: kernels in one, how often it runs each, and how many there are; different kernels in all of them."""


class Entry(Document):
    """Time of one block over `n` runs, milliseconds, including the runtime's call overhead."""

    typical_ms: Milliseconds = Field(
        description="interquartile mean of the bursts' minima; used for predictions"
    )
    min_ms: Milliseconds
    p50_ms: Milliseconds
    p90_ms: Milliseconds
    n: int = Field(ge=1, le=MAX_COUNT)
    spread: float = Field(ge=0, le=MAX_COUNT, description="(p90 - min) / min of the raw samples")
    unstable: bool = False

    @model_validator(mode="after")
    def _times_are_in_order(self) -> "Entry":
        if not (self.min_ms <= self.p50_ms <= self.p90_ms and self.min_ms <= self.typical_ms):
            raise ValueError("min_ms must not be above typical_ms and p50_ms, nor p50_ms above p90_ms")
        return self


class BlockEnergy(Document):
    """Energy of a run of a block, millijoules, beyond that of the idle board and without the call's overhead."""

    mj: float = Field(ge=-MAX_MJ, le=MAX_MJ, description="noise may bring that of a tiny block below zero")
    sd_mj: float = Field(ge=0, le=MAX_MJ, description="its standard deviation")
    meter: Line = Field(description="what measured it")


def net_ms(entry: Entry, overhead_ms: float) -> float:
    """Time of a block minus that of an empty call."""
    return max(entry.typical_ms - overhead_ms, 0.0)


class Reference(Document):
    """A whole network and its time."""

    choices: tuple[str, ...]
    measured_ms: Milliseconds


class Calibration(Document):
    """measured = slope * sum of blocks + their corrections + intercept, fitted on whole networks of one space."""

    slope: float = Field(ge=1 / MAX_FACTOR, le=MAX_FACTOR)
    intercept_ms: Offset
    overhead_ms: Overhead = Field(description="call overhead subtracted from each block")
    corrections_ms: dict[str, Offset] = Field(
        default={}, description="by block key: additional cost inside a network"
    )
    residuals: tuple[Annotated[float, Field(ge=-MAX_FACTOR, le=MAX_FACTOR)], ...] = Field(
        min_length=2, description="(predicted - measured) / measured of each network, leave-one-out"
    )
    networks: tuple[str, ...] = Field(default=(), description="ids of the networks fitted on")
    references: tuple[Reference, ...] = Field(
        default=(),
        description="some of them with their times, to be timed again to detect drift of the machine",
    )


class Inference(Document):
    """Block costs of one space, inferred from a few whole networks and from other devices.

    Predictions from it are `calibrated`. The slope of its calibration is 1; `references` are all timed networks,
    `residuals` their leave-one-out errors.
    """

    block_ms: dict[str, Overhead]
    calibration: Calibration
    uncertainties: tuple[Annotated[float, Field(ge=0, le=MAX_FACTOR)], ...] = Field(
        description="relative standard deviation of each reference's time, due to machine noise"
    )
    sentinel_ms: Milliseconds = Field(
        description="as the table's, from the session that timed the last references"
    )
    low_factor: float = Field(
        ge=1 / MAX_FACTOR, le=1, description="ends of the 90 % interval as multiples of a prediction"
    )
    high_factor: float = Field(ge=1, le=MAX_FACTOR)
    noise: float = Field(
        ge=0, le=MAX_FACTOR, description="relative error of a timing that the linear model does not explain"
    )
    views: dict[str, float] = Field(description="probability of each feature set")
    known_devices: tuple[str, ...] = Field(description="devices that the prior was learnt from")

    @model_validator(mode="after")
    def _references_have_uncertainties(self) -> "Inference":
        if (found := len(self.uncertainties)) != (expected := len(self.calibration.references)):
            raise ValueError(f"{found} uncertainties for {expected} references; there must be one for each")
        return self


PIECE = r"^[a-z-]+/[\w.]+(/blocked|/few)?( \d{1,15}){4} [1-9]\d{0,9}$"
"""Family, MACs, elements read and written, weights, reuse (`onnx_latency.pieces.Piece`)."""


class FragmentTime(Document):
    """A small network, the kernels it runs, and its time."""

    name: Line
    pieces: dict[Annotated[str, Field(pattern=PIECE)], Annotated[int, Field(ge=1, le=MAX_PIECES)]] = Field(
        min_length=1, max_length=MAX_PIECES, description="how often each kernel runs"
    )
    typical_ms: Milliseconds
    parts_ms: dict[Annotated[str, Field(pattern=PIECE)], Milliseconds] = Field(
        default={},
        description="what kernels took of it, all of one piece together, by the runtime's own clock",
    )

    @model_validator(mode="after")
    def _parts_are_pieces(self) -> "FragmentTime":
        if others := self.parts_ms.keys() - self.pieces.keys():
            raise ValueError(f"{min(others)} has a time, but is not among the pieces")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what earlier versions did not time, so that checksums stay valid."""
        found: dict[str, Any] = handler(self)
        if not self.parts_ms:
            del found["parts_ms"]
        return found


class Fragments(Document):
    """Times of small networks, from which the kernel costs of any ONNX file are learnt."""

    channel_block: int | None = Field(
        default=None, ge=1, le=MAX_PIECES, description="of earlier versions, which named other kernels"
    )
    blocked: bool = Field(default=False, description="whether the runtime stores channels in blocks there")
    overhead_ms: Overhead = Field(description="overhead of a call")
    measured_at: Line | None = Field(default=None, description="ISO 8601, UTC; None of earlier versions")
    sentinel_ms: Milliseconds | None = Field(
        default=None, description="as the table's, from the session that timed them; None of earlier versions"
    )
    times: tuple[FragmentTime, ...] = Field(min_length=1, max_length=MAX_PIECES)

    @model_validator(mode="after")
    def _can_be_fitted(self) -> "Fragments":
        """The time and memory of fitting grow with the square of what is timed."""
        if len({piece for each in self.times for piece in each.pieces}) > MAX_DISTINCT:
            raise ValueError(f"more than {MAX_DISTINCT} kernels are too many")
        return self

    @property
    def is_of_earlier_version(self) -> bool:
        """Whether their kernels have names that are no longer given."""
        return self.channel_block is not None

    @property
    def summary(self) -> str:
        """How many there are, and when they were timed where that is known, in words."""
        found = f"{counted(len(self.times), 'fragments')} of networks"
        return f"{found}, {self.measured_at}" if self.measured_at else found

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields that the version lacks which timed them, so that checksums stay valid."""
        found: dict[str, Any] = handler(self)
        lacking = {"blocked" if self.is_of_earlier_version else "channel_block"}
        lacking |= {name for name in ("measured_at", "sentinel_ms") if found[name] is None}
        return {name: value for name, value in found.items() if name not in lacking}


class LatencyTable(Document):
    """One table; see the module's docstring. Frozen: growing it makes a new one."""

    schema_: Literal["edgenas.table/1"] = Field(default="edgenas.table/1", alias="schema")
    device: Line
    runtime: Line
    runtime_version: Line
    provider: Line
    precision: Precision
    quantisation: Line | None = Field(
        default=None,
        description="how models were quantised (`precision.scheme`); None at other precisions than int8",
    )
    threads: int = Field(ge=1, le=MAX_THREADS)
    batch: int = Field(ge=1, le=MAX_BATCH)
    power_mode: Line
    governor: Line | None = None
    frequency_mhz: float | None = Field(default=None, gt=0, le=MAX_FACTOR)
    temperature_c: float | None = Field(default=None, ge=-300, le=1000)
    throttle_events: int | None = Field(
        default=None, ge=0, le=MAX_COUNT, description="during the profile, as counted by the system"
    )
    changed: tuple[Line, ...] = Field(
        default=(), description="what changed during the latest measurement; its entries are unstable then"
    )
    boards: dict[Line, Annotated[float, Field(ge=1 / MAX_FACTOR, le=MAX_FACTOR)]] = Field(
        default={},
        description="of a table of several boards: by host, its times as a multiple of those of the others (median)",
    )
    cores: tuple[int, ...] = Field(default=(), description="processor cores pinned to; empty for none")
    measured_at: Line = Field(description="ISO 8601, UTC")
    host: Line = Field(description="fingerprint of the machine measured on")
    host_description: Line
    overhead_ms: Overhead = Field(description="overhead of a call")
    sentinel_ms: Milliseconds = Field(
        description="usual time of the sentinel, a block that is timed throughout"
    )
    disturbed: float = Field(
        ge=0, le=1, description="share of the bursts during which the sentinel was off its usual time"
    )
    entries: dict[str, Entry]
    calibrations: dict[str, Calibration] = Field(default={}, description="by the space's signature")
    inferences: dict[str, Inference] = Field(
        default={}, description="by the signature of a space that was not timed block by block"
    )
    fragments: Fragments | None = Field(default=None, description="for predicting ONNX files")
    energies: dict[str, BlockEnergy] = Field(
        default={}, description="of entries, by their key; where the board has a power meter"
    )
    checksum: str = ""

    @field_validator("entries")
    @classmethod
    def _keys_are_canonical(cls, entries: dict[str, Entry]) -> dict[str, Entry]:
        for key in entries:
            try:
                block_from_key(key)
            except InputError as error:
                raise ValueError(str(error)) from None
        return entries

    @model_validator(mode="after")
    def _energies_are_of_entries(self) -> "LatencyTable":
        if others := self.energies.keys() - self.entries.keys():
            raise ValueError(f"{min(others)} has an energy, but is not among the entries")
        return self

    def calibration_of(self, space: str) -> Calibration | None:
        """The calibration, or inferred one, of a space given by its signature; None if there is none."""
        inference = self.inferences.get(space)
        return self.calibrations.get(space) or (inference.calibration if inference else None)

    @property
    def summary(self) -> str:
        """The basis of predictions for architectures, in words."""
        return counted(len(self.entries), "blocks") if self.entries else "inferred from a few networks"

    @property
    def history(self) -> str:
        """What was measured and when, in words."""
        dated = f"{self.summary}, {self.measured_at}"
        return f"{dated}; {self.fragments.summary}" if self.fragments else dated

    def sentinel_of(self, space: str) -> float:
        """The sentinel's time, ms, in the session that a space's predictions are based on."""
        inference = None if space in self.calibrations else self.inferences.get(space)
        return inference.sentinel_ms if inference else self.sentinel_ms

    def content_checksum(self) -> str:
        """SHA-256 of everything except the checksum itself and empty optional sections."""
        left_out = {"checksum", *(name for name in _OPTIONAL if not getattr(self, name))}
        return hashlib.sha256(self.model_dump_json(exclude=left_out).encode()).hexdigest()


def scheme_name(device: Device) -> str | None:
    """How models are quantised for a device; None if they are not."""
    return searched_scheme_of(device).name if device.precision == "int8" else None


def table_from_json(path: Path) -> LatencyTable:
    """Read a table file.

    Raises:
        FileFormatError: it violates the schema, or was changed since it was written (checksum).
    """
    table = read_json(path, LatencyTable)
    if table.checksum != table.content_checksum():
        raise FileFormatError(
            path, "checksum", "does not match the content", "delete it and profile the device again"
        )
    return table


def find_table(device: Device) -> tuple[Path, LatencyTable] | None:
    """The device's table for its runtime, precision, threads and batch; None if there is none.

    For a device that is "this host", tables of other machines are ignored with a warning, and so are tables of models
    that were quantised in another way. For a device with several power modes, tables of other modes are ignored.

    Raises:
        FileFormatError: a table file is invalid, or belongs to another device.
    """
    for folder in data_folders(TABLES):
        path = folder / device.name / f"{device.table_name}.json"
        if not path.is_file():
            continue
        table = table_from_json(path)
        for field, attribute in _IDENTITY.items():
            found, expected = getattr(table, field), getattr(device, attribute)
            if found != expected:
                raise FileFormatError(
                    path, field, f"is {found!r}, not {expected!r}", "move the file elsewhere"
                )
        if device.power_modes and table.power_mode != device.power_mode:
            continue
        if device.is_host and table.host != host.fingerprint(device.uses_gpu):
            log.warning("%s was measured on another machine (%s): ignored", path, table.host_description)
            continue
        if table.runtime in RUNTIMES and table.quantisation != (scheme := scheme_name(device)):
            log.warning(
                "%s is of models that were not quantised as now (%s): ignored; profile again", path, scheme
            )
            continue
        return path, table
    return None


def tables_of(device: str) -> list[Path]:
    """Table files of a device in all folders."""
    folders = (folder / device for folder in data_folders(TABLES))
    return [path for folder in folders for path in sorted(folder.glob("*.json"))]


def table_path(device: Device) -> Path:
    """Where the device's table is written: `./latency_models` if it exists, else the user's data folder."""
    root = Path(TABLES) if Path(TABLES).is_dir() else data_folder() / TABLES
    return root / device.name / f"{device.table_name}.json"


def journal_path(device: Device, space: str) -> Path:
    """The journal of an unfinished profile of a space, given by its signature."""
    return table_path(device).with_suffix(f".{space}.unfinished")


def save_table(device: Device, table: LatencyTable) -> Path:
    """Write a table to where `find_table` finds it, merged into an existing one; return the path.

    Raises:
        UnwritableError: the disk is full, or the folder cannot be written.
    """
    path = table_path(device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if path.is_file():
                fresh, table = table, merged(table_from_json(path), table)
                if fresh.inferences.keys() & table.calibrations.keys():
                    log.warning(
                        "%s has measured blocks of this space: predictions use them, not what was inferred now",
                        path,
                    )
            write_json(path, table.model_copy(update={"checksum": table.content_checksum()}))
    except OSError as error:
        raise UnwritableError(path.parent, error) from None
    return path


def _of_the_same_meter(
    old: Mapping[str, BlockEnergy], new: Mapping[str, BlockEnergy]
) -> dict[str, BlockEnergy]:
    """Earlier energies, unless another meter has measured since: what one counts, the other may not."""
    meters = {each.meter for each in new.values()}
    return {key: each for key, each in old.items() if not meters or meters == {each.meter}}


def merged(old: LatencyTable, new: LatencyTable) -> LatencyTable:
    """New measurements take precedence; old ones are kept if machine, power mode, runtime, quantisation are unchanged.

    Calibrations of other spaces are dropped if a block they were fitted on has been timed again. What changed during an
    earlier measurement is kept as long as entries are that it marked.
    """
    same = ("host", "runtime_version", "power_mode", "quantisation")
    if any(getattr(old, field) != getattr(new, field) for field in same):
        return new
    anew = {key for key, entry in new.entries.items() if old.entries.get(key, entry) != entry}
    kept = {
        signature: calibration
        for signature, calibration in old.calibrations.items()
        if anew.isdisjoint(calibration.corrections_ms)
    }
    inferences = {**old.inferences, **new.inferences}
    marked = any(entry.unstable for key, entry in old.entries.items() if key not in new.entries)
    changed = dict.fromkeys((*(old.changed if marked else ()), *new.changed))
    return new.model_copy(
        update={
            "entries": {**old.entries, **new.entries},
            "calibrations": {**kept, **new.calibrations},
            "inferences": {key: each for key, each in inferences.items() if key not in new.calibrations},
            "fragments": new.fragments or old.fragments,
            "changed": tuple(changed),
            "energies": {**_of_the_same_meter(old.energies, new.energies), **new.energies},
        }
    )
