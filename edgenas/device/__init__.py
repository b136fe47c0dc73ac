"""Where will it run? Devices, and the runtimes that execute and time models on them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgenas import plugins
from edgenas.board.manifest import RUNTIMES, TENSORRT
from edgenas.device.catalogue import all_devices, damaged_devices, data_folders, find_device
from edgenas.device.device import CPU, Datasheet, Device, Provenance
from edgenas.errors import DeviceError
from edgenas.plugins import load_plugin, plugin_names

if TYPE_CHECKING:
    from edgenas.device.runtime import Runtime

__all__ = [
    "CPU",
    "Datasheet",
    "Device",
    "Provenance",
    "all_devices",
    "damaged_devices",
    "data_folders",
    "find_device",
    "runtime_for",
]


def runtime_for(device: Device) -> "Runtime":
    """The runtime that times models on a device from this host.

    Raises:
        DeviceError: the device is not this host, or this host lacks its runtime or provider.
    """
    if not device.is_host:
        raise DeviceError(
            f"device {device.name} cannot be reached from here (its file says reach = {device.reach!r})",
            f"time it there with a kit: edgenas kit --device {device.name}{' --quick' * (device.runtime == TENSORRT)}"
            if device.runtime in RUNTIMES
            else "run edgenas on the device itself with --device cpu or --device cuda",
        )
    if device.runtime in _MAKERS:
        return _MAKERS[device.runtime](device)
    if device.runtime in plugin_names(plugins.RUNTIMES):
        return _of_package(device)
    raise DeviceError(
        f"edgenas cannot time models with {device.runtime}", f"use a device on {' or '.join(_MAKERS)}"
    )


def _of_package(device: Device) -> "Runtime":
    from edgenas.device.runtime import Runtime

    runtime = load_plugin(plugins.RUNTIMES, device.runtime)(device)
    if not isinstance(runtime, Runtime):
        raise DeviceError(f"{plugins.RUNTIMES} {device.runtime!r} makes no Runtime", "see docs/extending.md")
    return runtime


def _onnxruntime(device: Device) -> "Runtime":
    from edgenas.device.onnx_process import OnnxProcess
    from edgenas.device.target import searched_scheme_of

    return OnnxProcess(device.provider, device.threads, device.precision, searched_scheme_of(device))


def _torch(device: Device) -> "Runtime":
    from edgenas.device.torch_cuda import TorchRuntime

    return TorchRuntime(device.provider, device.threads, device.precision)


_MAKERS: dict[str, Callable[[Device], "Runtime"]] = {"onnxruntime": _onnxruntime, "torch": _torch}
