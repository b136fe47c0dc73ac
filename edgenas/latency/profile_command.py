"""The command line that profiles a space on a device, here or by a kit."""

import shlex
from collections.abc import Callable

from edgenas.board.manifest import RUNTIMES, TENSORRT
from edgenas.device import CPU, Device
from edgenas.errors import InputError
from edgenas.pretrained.elastic_layout import elastic_layout
from edgenas.pretrained.sources import AUTO_RESOLUTION, AUTO_SOURCE, SOURCES
from edgenas.space import MBConvSpace, NetworkSpace, SearchSpace, mbconv, nasbench_macro
from edgenas.units import resolution_setting


def profile_command(space: NetworkSpace, device: Device) -> str:
    """The command line that profiles this space on this device, for grey and for RGB images."""
    space = space.with_channels(3) or space
    sizes, largest = resolution_setting(space.resolutions, "--resolution"), space.at(space.resolutions[-1])
    words = [_start(device)]
    if largest.name != "mbconv":
        words.append(f"--space {largest.name}")
    words.append(f"--resolution {sizes} --classes {space.classes}")
    words.append(operating_point(device))
    words.append(_network_options(space))
    if device.runtime == TENSORRT:  # whose engines take too long to build for every block
        words.append("--samples 10")
    return " ".join(word for word in words if word)


def command_at_point(device: Device) -> str:
    """The command line that profiles the default space on this device at its operating point, here or by a kit."""
    return f"{_start(device)} {operating_point(device)}"


def _start(device: Device) -> str:
    return f"edgenas {'profile' if device.is_host or device.ssh else 'kit'} --device {device.name}"


def can_be_profiled(device: Device) -> bool:
    """Whether there is such a command: the device is here, has a host, or a runtime that kits time models with."""
    return device.is_host or device.ssh is not None or device.runtime in RUNTIMES


def operating_point(device: Device) -> str:
    """The command-line options that select the device's table."""
    words = [f"--threads {device.threads}"] if device.provider == CPU else []
    words.append(f"--precision {device.precision} --batch {device.batch}")
    if device.power_modes:
        words.append(f"--power-mode {shlex.quote(device.power_mode)}")
    return " ".join(words)


def _network_options(space: NetworkSpace) -> str:
    """What to add to resolution and classes to get a space; empty if nothing."""
    largest, auto = space.at(space.resolutions[-1]), space.resolutions[0] >= AUTO_RESOLUTION
    if _is_preset(largest):
        return "--pretrained none" if largest.name == "mbconv" and auto else ""
    for name, source in SOURCES.items():
        layout = elastic_layout(source.layout, largest.input_shape[1], largest.classes)
        if largest.config() == MBConvSpace(layout).config():
            return "" if auto and name == AUTO_SOURCE else f"--pretrained {name}"
    return "with the search's own --pretrained, --width, --squeeze-excite and --activation"


def _is_preset(space: SearchSpace) -> bool:
    """Whether a space is a default one, determined by resolution and classes; those of other packages are."""
    presets: dict[str, Callable[[int, int], SearchSpace]] = {
        "mbconv": mbconv,
        "nasbench-macro": nasbench_macro,
    }
    if space.name not in presets:
        return True
    try:
        return space.config() == presets[space.name](space.input_shape[1], space.classes).config()
    except InputError:  # a size without a preset
        return False
