"""The energy of blocks, measured on this machine where it has a power meter."""

import logging
from collections.abc import Callable, Mapping

from edgenas.board.energy import Energies, take_energies
from edgenas.board.power import MeterError, find_meter, why_no_meter
from edgenas.device import Device
from edgenas.device.runtime import Session
from edgenas.errors import DeviceError
from edgenas.progress import Progress

log = logging.getLogger(__name__)


def add_energies(
    sessions: Mapping[str, Session],
    device: Device,
    energies: Energies,
    commit: Callable[[], None],
    progress: Progress,
) -> None:
    """Measure the energy of blocks; without a meter, or where something fails, energies are missing.

    Args:
        sessions: loaded blocks, by key.
        device: this machine.
        energies: those that are known; extended in place.
        commit: called whenever something was added.
        progress: called for each block.
    """
    meter = find_meter(device.uses_gpu)
    if meter is None:
        log.info("power meter: %s", why_no_meter(device.uses_gpu))
        return
    try:
        impossible = take_energies(meter, sessions, energies, commit, progress)
    except (MeterError, DeviceError) as error:
        log.warning("%s: no more energies are measured", error)
        return
    if impossible:
        log.warning(
            "energies that make no sense are left out: %d, such as that of %s; close other programs, and profile again",
            len(impossible),
            impossible[0],
        )
