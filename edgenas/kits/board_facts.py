"""What a board says it is, and the device file that follows from it."""

import re
from typing import Annotated, Any

from pydantic import Field

from edgenas.board.manifest import ONNX_RUNTIME, TENSORRT
from edgenas.device import CPU, Device, find_device
from edgenas.device.device import MAX_THREADS, Datasheet, SshAccess
from edgenas.formats import Document, Line
from edgenas.vocabulary import Processor, TargetName

CUDA = "CUDAExecutionProvider"

SHIPPED = {
    "Raspberry Pi 5 Model B": "raspberry-pi-5",
    "Raspberry Pi 4 Model B": "raspberry-pi-4",
    "Orin Nano": "jetson-orin-nano",
    "AGX Orin": "jetson-agx-orin",
    "AGX Xavier": "jetson-agx-xavier",
    "Xavier NX": "jetson-xavier-nx",
    "TX2": "jetson-tx2",
    "Jetson Nano": "jetson-nano",
}
"""From what a board's own model name contains to the device that edgenas ships for it."""

PEAK_SHARE = 0.8
"""Assumed share of the peak that numpy's matrix product reaches."""

COPY_SHARE = 0.5
"""Assumed share of the memory's peak bandwidth that a copy by one core reaches."""

UNKNOWN_GFLOPS = 20.0
"""Assumed without numpy: a small board's."""

UNKNOWN_BYTES = 2**31

LAUNCH_US = 10.0

OLD_MINOR = 12
"""ONNX Runtime 1.12 is the first that reads the usual files."""


class BoardFacts(Document):
    """What `board.look` found; empty or zero where the board does not tell."""

    model: Line
    processor: Line
    machine: Line
    instructions: Processor
    bits: int = Field(ge=0, le=1024)
    cores: int = Field(ge=1, le=MAX_THREADS)
    memory_bytes: int = Field(ge=0, le=2**60)
    copy_gb_s: float = Field(gt=0, le=1e6)
    gpu: Line
    l4t: Line
    power_mode: Line
    trtexec: bool
    python: Line
    numpy: Line
    gflops: float = Field(ge=0, le=1e8)
    onnxruntime: Line
    providers: tuple[Annotated[Line, Field(max_length=100)], ...] = Field(max_length=100)
    problem: Line

    @property
    def title(self) -> str:
        """The board in a few words."""
        return self.model or f"{self.processor}, {self.cores} cores"

    @property
    def shipped(self) -> Device | None:
        """The device that edgenas ships for this board."""
        for part, name in SHIPPED.items():
            if part in self.model:
                return _in_mode(find_device(name), self.power_mode)
        return None


def _in_mode(device: Device, shown: str) -> Device:
    """The device in the power mode that the board shows, such as `NV Power Mode: MAXN_SUPER 2`, if it is known."""
    words = shown.replace("_", " ")
    known = [mode for mode in device.power_modes if f" {mode} " in f" {words} "]
    return find_device(device, power_mode=max(known, key=len)) if known else device


def device_of(name: str, facts: BoardFacts, access: SshAccess | None, day: str) -> Device:
    """A device for a board: TensorRT or ONNX Runtime on its GPU if that is known, else ONNX Runtime on its cores.

    On this machine one core is left free.

    The datasheet is that of the shipped device of the same model, or what the board measured of itself.

    Args:
        name: of the device.
        facts: what the board is.
        access: how it is reached; None for this machine.
        day: ISO date, for the sources.
    """
    shipped = facts.shipped
    runtime, provider = _runtime(facts, shipped, elsewhere=access is not None)
    on_gpu = provider != CPU
    looked = f"edgenas devices add, {day}"
    if shipped is not None and shipped.uses_gpu == on_gpu:
        figures = _shipped_figures(facts, shipped, (runtime, provider), looked)
    else:
        threads = facts.cores if access else max(1, facts.cores - 1)
        figures = _measured_figures(facts, threads, looked)
    name_of_runtime = {ONNX_RUNTIME: "ONNX Runtime", TENSORRT: "TensorRT"}[runtime]
    return Device.model_validate(
        {
            "schema": "edgenas.device/1",
            "name": name,
            "description": f"{facts.title}, {name_of_runtime} on its {'GPU' if on_gpu else 'processor'}",
            "runtime": runtime,
            "provider": provider,
            "target": _target(facts, shipped, runtime),
            "reach": "none" if access else "local",
            "ssh": access,
            "processor": facts.instructions if access else None,
            **figures,
        }
    )


def _shipped_figures(
    facts: BoardFacts, shipped: Device, runtime_and_provider: tuple[str, str], looked: str
) -> dict[str, Any]:
    """Figures of the shipped device of the same model; its fitted costs only for the same runtime."""
    memory = facts.memory_bytes or shipped.datasheet.memory_bytes
    same_runtime = (shipped.runtime, shipped.provider) == runtime_and_provider
    return {
        "precision": shipped.precision,
        "threads": shipped.threads,
        "power_mode": shipped.power_mode,
        "power_modes": shipped.power_modes,
        "datasheet": shipped.datasheet.model_copy(update={"memory_bytes": memory}),
        "calibrated": shipped.calibrated if same_runtime else None,
        "sources": (f"{facts.title}: {looked}; figures of {shipped.name}", *shipped.sources),
    }


def _measured_figures(facts: BoardFacts, threads: int, looked: str) -> dict[str, Any]:
    """Figures that follow from a matrix product and a copy."""
    peak_gflops = (facts.gflops / PEAK_SHARE if facts.gflops else UNKNOWN_GFLOPS) * threads / facts.cores
    return {
        "precision": "fp32",
        "threads": threads,
        "power_mode": facts.power_mode or "as it was found",
        "datasheet": Datasheet(
            peak_gflops=_rounded(peak_gflops),
            memory_bandwidth_gb_s=_rounded(facts.copy_gb_s / COPY_SHARE),
            memory_bytes=facts.memory_bytes or UNKNOWN_BYTES,
            kernel_launch_us=LAUNCH_US,
        ),
        "sources": (
            f"{facts.title}, {facts.machine}: {looked}",
            f"peak_gflops: numpy's product of fp32 matrices reached {facts.gflops:.1f} on its {facts.cores} cores, "
            f"taken as {PEAK_SHARE:.0%} of the peak"
            if facts.gflops
            else "peak_gflops: assumption, as numpy could not be used there",
            f"memory_bandwidth_gb_s: a copy by one core moved {facts.copy_gb_s:.1f} there, taken as "
            f"{COPY_SHARE:.0%} of the peak",
            f"memory_bytes: {'as the system says' if facts.memory_bytes else 'assumption'}",
            "kernel_launch_us: assumption",
        ),
    }


def _runtime(facts: BoardFacts, shipped: Device | None, elsewhere: bool) -> tuple[str, str]:
    """Runtime and provider: the GPU's, of a board whose figures are known, else the processor's.

    TensorRT only of a board elsewhere: kits time with it, edgenas on this machine does not.
    """
    if shipped is not None and shipped.uses_gpu:
        if elsewhere and shipped.runtime == TENSORRT and facts.trtexec:
            return TENSORRT, shipped.provider
        if CUDA in facts.providers:
            return ONNX_RUNTIME, CUDA
    return ONNX_RUNTIME, CPU


def _target(facts: BoardFacts, shipped: Device | None, runtime: str) -> TargetName | None:
    """What files for the board are for, where that is not the runtime's usual version."""
    if runtime == TENSORRT:
        return shipped.target if shipped else None
    version = re.match(r"1\.(\d+)", facts.onnxruntime)
    return "onnxruntime-1.11" if version and int(version[1]) < OLD_MINOR else None


def _rounded(figure: float) -> float:
    """To a tenth, but not to nothing."""
    return max(0.1, round(figure, 1))
