"""The energy of blocks, measured on this machine where it has a power meter."""

import logging
from collections.abc import Callable, Mapping

from edgenas.board.energy import Energies, take_energies
from edgenas.board.power import MeterError, find_meter, why_no_meter
from edgenas.device import Device
from edgenas.device.runtime import Session
from edgenas.progress import Progress

log = logging.getLogger(__name__)


def add_energies(
    sessions: Mapping[str, Session],
    device: Device,
    energies: Energies,
    commit: Callable[[], None],
    progress: Progress,
) -> None:
    """Measure the energy of blocks; without a meter, or if it stops answering, energies are missing.

    Args:
        sessions: loaded blocks, by key.
        device: this machine.
        energies: those that are known; extended in place.
        commit: called whenever something was added.
        progress: called for each block.

    Raises:
        DeviceError: the runtime fails; a repeated profile goes on from here.
    """
    meter = find_meter(device.uses_gpu)
    if meter is None:
        log.info("power meter: %s", why_no_meter(device.uses_gpu))
        return
    try:
        impossible = take_energies(meter, sessions, energies, commit, progress)
    except MeterError as error:
        log.warning("%s: no more energies are measured", error)
        return
    if impossible:
        log.warning(
            "%d energies that cannot be right are left out, such as that of %s; close other programs, and try again",
            len(impossible),
            impossible[0],
        )
