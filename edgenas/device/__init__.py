"""Where will it run? Devices, and the runtimes that time a model on them."""

from typing import TYPE_CHECKING

from edgenas.device.catalogue import all_devices, data_folders, find_device
from edgenas.device.device import Datasheet, Device, Provenance
from edgenas.errors import DeviceError
from edgenas.space.precision import Precision

if TYPE_CHECKING:
    from edgenas.device.runtime import Runtime

__all__ = [
    "Datasheet",
    "Device",
    "Precision",
    "Provenance",
    "all_devices",
    "data_folders",
    "find_device",
    "runtime_for",
]


def runtime_for(device: Device) -> "Runtime":
    """The runtime that can time models on a device from here.

    Raises:
        DeviceError: the device is out of reach, or this host lacks its runtime or provider.
    """
    if not device.is_host:
        raise DeviceError(
            f"device {device.name} cannot be reached from here (its file says reach = {device.reach!r})",
            "run edgenas on the device itself with --device cpu or --device cuda",
        )
    if device.runtime != "onnxruntime":
        raise DeviceError(f"nothing here times models with {device.runtime}", "use a device on onnxruntime")
    from edgenas.device.onnx_process import OnnxProcess

    return OnnxProcess(device.provider, device.threads, device.precision)
