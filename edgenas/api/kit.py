"""Kits: profiling boards that have neither edgenas nor torch."""

from pathlib import Path

from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.inputs.spaces import space_without_data
from edgenas.inputs.targets import device_for
from edgenas.kits.kit_archive import make_kit
from edgenas.profiling.profile_plan import NETWORKS
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import SAMPLES_NEED_ONE_SIZE, KitSettings


class KitResult(Document):
    """The archive, and what it will take on the board.

    `folder` is what it unpacks to, `models` counts what is timed, `fragments` those of them that are for predicting
    ONNX files. `estimated_s` is the duration on the board, by its device model.
    """

    kit: Path
    device: str
    folder: str
    models: int
    fragments: int
    size_bytes: int
    estimated_s: float


@taking(KitSettings)
def kit(settings: KitSettings) -> KitResult:
    """Make an archive that profiles a device on which edgenas cannot be installed.

    On the board, `python3 run.py` needs only Python 3.8, numpy and ONNX Runtime; it writes `results.json`, which
    `kit_import` turns into the device's latency table. The same settings make the same archive, byte for byte.

    Raises:
        InputError: a setting cannot be used, or the device is this machine.
        DeviceError: kits cannot time models with the device's runtime.
    """
    space = space_without_data(settings)
    device = device_for(settings)
    if device.is_host:
        raise InputError(
            f"device {device.name} is this machine",
            f"run edgenas profile --device {device.name}, or give the device of a board",
        )
    if settings.few is not None and len(space.resolutions) > 1:
        raise InputError(*SAMPLES_NEED_ONE_SIZE)
    made = make_kit(
        Path(settings.out),
        space,
        device,
        settings.networks or NETWORKS,
        settings.few,
        settings.seed,
        settings.progress,
    )
    return KitResult(
        kit=made.path,
        device=device.name,
        folder=made.folder,
        models=made.models,
        fragments=made.fragments,
        size_bytes=made.size_bytes,
        estimated_s=made.estimated_s,
    )
