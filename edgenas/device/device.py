"""A device: where a network will run, as described by a TOML file."""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from edgenas import plugins
from edgenas.board.onnx_sessions import CPU as CPU
from edgenas.board.onnx_sessions import GPUS
from edgenas.formats import Document, Line
from edgenas.plugins import plugin_names
from edgenas.units import counted
from edgenas.vocabulary import (
    DEVICE_NAME,
    MAX_DEVICE_NAME,
    SSH_HOST,
    SSH_PYTHON,
    Precision,
    Processor,
    TargetName,
)

MAX_THREADS = MAX_BATCH = 1024

MAX_MODE = 80
"""Characters of the name of a power mode, which names of tables contain."""

RUNTIMES = ("onnxruntime", "torch", "tensorrt", "tflite")
"""Names that device files may give; of tensorrt and tflite tables are read, nothing is timed with them yet."""


class Provenance(StrEnum):
    """Where a latency comes from; shown wherever a latency is shown."""

    MEASURED = "measured"
    CALIBRATED = "calibrated"
    ESTIMATED = "estimated"

    @property
    def basis(self) -> str:
        """What a predicted latency is based on, in words; plain "measured" would read as the network's own."""
        return _BASES[self]


_BASES = {
    Provenance.MEASURED: "from measured blocks",
    Provenance.CALIBRATED: "calibrated device model",
    Provenance.ESTIMATED: "datasheet estimate",
}


Figure = Annotated[float, Field(ge=1e-6, le=1e9)]
"""Far beyond that of any device, in its unit."""


class Datasheet(Document):
    """Published figures for the device's operating point and precision."""

    peak_gflops: Figure = Field(
        description="peak of the threads used, 10^9 operations/s; a MAC counts as two"
    )
    memory_bandwidth_gb_s: Figure = Field(description="peak memory bandwidth, 10^9 bytes/s")
    memory_bytes: int = Field(gt=0, le=2**60)
    kernel_launch_us: Figure = Field(description="fixed cost of any kernel, microseconds")


Cost = Annotated[float, Field(ge=0, le=1e9)]


class Costs(Document):
    """Cost per unit of work in milliseconds: per launch, per 10^9 MACs, per 10^6 numbers moved."""

    launch_product: Cost = Field(description="a convolution or a matrix product")
    launch_copy: Cost = Field(description="a copy: an input of a concatenation, a transposition")
    launch_other: Cost = Field(description="pooling, normalisation, elementwise")
    macs_dense: Cost = Field(description="dense convolution with a kernel larger than 1x1")
    macs_pointwise: Cost
    macs_depthwise: Cost
    macs_linear: Cost
    macs_matmul: Cost = Field(description="product of two activations")
    traffic_product: Cost = Field(description="inputs and outputs of convolutions and matrix products")
    traffic_weights: Cost
    traffic_functions: Cost = Field(description="activations costlier than a ReLU")
    traffic_copy: Cost
    traffic_other: Cost


class CalibratedModel(Document):
    """Costs fitted to published latencies of whole networks, with their error on held-out networks."""

    precision: Precision
    threads: int = Field(ge=1, le=MAX_THREADS)
    batch: int = Field(ge=1, le=MAX_BATCH)
    power_mode: Line = Field(description="operating point of the figures")
    networks: int = Field(ge=1, le=10**9, description="distinct networks among the figures")
    median_error_percent: float = Field(ge=0, le=1e6, description="of networks held out on every device")
    spearman: float = Field(
        ge=-1, le=1, description="rank correlation with the published latencies, same networks"
    )
    interval_factor: float = Field(
        gt=1, le=1e6, description="90 % of their error ratios lie between 1 / this and this"
    )
    figures: tuple[str, ...] = Field(min_length=1, description="the fitted figures, with source and licence")
    costs: Costs


class SshAccess(Document):
    """How a board is reached over SSH."""

    host: str = Field(pattern=SSH_HOST, description="as for ssh: USER@HOST, or a name of its configuration")
    python: str = Field(
        default="python3", pattern=SSH_PYTHON, description="interpreter there with numpy and onnxruntime"
    )


class Device(Document):
    """One device under one runtime at one operating point."""

    schema_: Literal["edgenas.device/1"] = Field(alias="schema")
    name: str = Field(pattern=DEVICE_NAME, max_length=MAX_DEVICE_NAME)
    aliases: tuple[Annotated[str, Field(pattern=DEVICE_NAME, max_length=MAX_DEVICE_NAME)], ...] = ()
    description: str
    runtime: str = Field(description="what executes models: one of RUNTIMES, or of an installed package")
    provider: str = Field(
        pattern=r"^[A-Za-z0-9]{1,64}$",  # names of tables contain it
        description="the runtime's name for the backend, such as CPUExecutionProvider",
    )
    target: TargetName | None = Field(
        default=None, description="what exported files are for; None for the runtime's usual version"
    )
    precision: Precision
    threads: int = Field(ge=1, le=MAX_THREADS)
    batch: int = Field(default=1, ge=1, le=MAX_BATCH)
    power_mode: Line = Field(description="operating point, in the vendor's words")
    reach: Literal["local", "none"] = Field(description="local: this host; none: not reachable from here")
    ssh: SshAccess | None = None
    processor: Processor | None = Field(
        default=None,
        description="for its int8 models; of this host it is found out, of others arm64 if not given",
    )
    datasheet: Datasheet
    power_modes: dict[Annotated[Line, Field(max_length=MAX_MODE)], Figure] = Field(
        default={}, description="operating points: name to clock in MHz"
    )
    calibrated: CalibratedModel | None = None
    sources: tuple[str, ...] = Field(min_length=1, description="where each figure comes from")

    @field_validator("runtime")
    @classmethod
    def _runtime_is_known(cls, runtime: str) -> str:
        known = (*RUNTIMES, *plugin_names(plugins.RUNTIMES))
        if runtime not in known:
            raise ValueError(f"unknown runtime; known: {', '.join(known)}")
        return runtime

    @model_validator(mode="after")
    def _power_modes_are_known(self) -> Self:
        figures = () if self.calibrated is None else (self.calibrated.power_mode,)
        for mode in (self.power_mode, *figures):
            if (self.power_modes or mode != self.power_mode) and mode not in self.power_modes:
                raise ValueError(f"power mode {mode!r} is not among power_modes")
        if len({_file_word(mode) for mode in self.power_modes}) < len(self.power_modes):
            raise ValueError("power_modes must differ in letters or digits, as table names contain them")
        return self

    @override
    def __hash__(self) -> int:
        return hash((self.name, self.table_name))

    def slowdown_since(self, power_mode: str) -> float:
        """Slowdown of the current power mode relative to another: the ratio of their clocks."""
        if power_mode == self.power_mode:
            return 1.0
        return self.power_modes[power_mode] / self.power_modes[self.power_mode]

    @property
    def is_host(self) -> bool:
        """Whether the device is the machine edgenas runs on."""
        return self.reach == "local"

    @property
    def uses_gpu(self) -> bool:
        """Whether models run on a GPU, which then is part of the host's fingerprint."""
        return self.provider in (*GPUS, "cuda")

    def at(self, precision: Precision) -> Self:
        """The device at another precision."""
        return self.model_copy(update={"precision": precision})

    @property
    def converts_files(self) -> bool:
        """Whether the runtime takes fp32 files and converts them to its precision itself."""
        return self.runtime == "torch"

    @property
    def conditions(self) -> str:
        """The conditions of a latency on the device, in words."""
        threads = counted(self.threads, "threads")
        where = f"{self.runtime} {self.provider}, {self.precision}, {threads}, batch {self.batch}"
        return f"{self.name}: {where}, {self.power_mode}"

    @property
    def table_name(self) -> str:
        """Name of the latency table: runtime, provider, precision, threads, batch and, of several, power mode."""
        provider = self.provider.removesuffix("ExecutionProvider").lower()
        mode = f"-{_file_word(self.power_mode)}" if self.power_modes else ""
        return f"{self.runtime}-{provider}-{self.precision}-t{self.threads}-b{self.batch}{mode}"


def _file_word(text: str) -> str:
    """The text in lower case, with dashes for everything but letters and digits."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
