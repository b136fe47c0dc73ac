"""A device: where a network will run, as one TOML file says it."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from edgenas.formats import Document
from edgenas.space.precision import Precision

Name = r"^[a-z0-9]+(-[a-z0-9]+)*$"


CPU = "CPUExecutionProvider"
"""ONNX Runtime's name for the processor: the one provider with threads to choose."""


class Provenance(StrEnum):
    """Where a latency comes from; shown wherever a latency is shown."""

    MEASURED = "measured"
    CALIBRATED = "calibrated"
    ESTIMATED = "estimated"

    @property
    def basis(self) -> str:
        """What a predicted latency rests on, in words: "measured" beside it would read as the network's own."""
        return _BASES[self]


_BASES = {
    Provenance.MEASURED: "from measured blocks",
    Provenance.CALIBRATED: "calibrated device model",
    Provenance.ESTIMATED: "datasheet estimate",
}


class Datasheet(Document):
    """Published figures at the device's operating point, for the precision it runs at."""

    peak_gflops: float = Field(gt=0, description="peak of all threads used, 10^9 operations/s, a MAC is two")
    memory_bandwidth_gb_s: float = Field(gt=0, description="peak memory bandwidth, 10^9 bytes/s")
    memory_bytes: int = Field(gt=0)
    kernel_launch_us: float = Field(gt=0, description="time a kernel costs however small, microseconds")


class Device(Document):
    """One device under one runtime at one operating point."""

    schema_: Literal["edgenas.device/1"] = Field(alias="schema")
    name: str = Field(pattern=Name)
    aliases: tuple[str, ...] = ()
    description: str
    runtime: Literal["onnxruntime", "torch", "tensorrt", "tflite"]
    provider: str = Field(description="the runtime's own name of what executes, such as CPUExecutionProvider")
    precision: Precision
    threads: int = Field(ge=1, le=1024)
    batch: int = Field(default=1, ge=1)
    power_mode: str = Field(description="operating point, in the vendor's words")
    reach: Literal["local", "none"] = Field(
        description="local: this host; none: nothing is run there from here"
    )
    datasheet: Datasheet
    sources: tuple[str, ...] = Field(min_length=1, description="where each figure comes from")

    @property
    def is_host(self) -> bool:
        """Whether the device is the machine edgenas runs on."""
        return self.reach == "local"

    @property
    def uses_gpu(self) -> bool:
        """Whether models run on a GPU: which one is then part of what the machine is."""
        return self.provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider", "cuda")

    @property
    def target(self) -> str:
        """What a latency on the device stands for, in words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        where = f"{self.runtime} {self.provider}, {self.precision}, {threads}, batch {self.batch}"
        return f"{self.name}: {where}, {self.power_mode}"

    @property
    def table_name(self) -> str:
        """Name of the table for this runtime, precision, thread count and batch."""
        provider = self.provider.removesuffix("ExecutionProvider").lower()
        return f"{self.runtime}-{provider}-{self.precision}-t{self.threads}-b{self.batch}"
