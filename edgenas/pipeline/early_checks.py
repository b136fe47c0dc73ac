"""What a search checks before it decodes a single image: a refusal after an hour of decoding is a lost hour."""

from pathlib import Path

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.dataset_sources import NAMES
from edgenas.device import Device
from edgenas.errors import DataError
from edgenas.inputs.precisions import precisions_for
from edgenas.inputs.pretrained import pretrained_for
from edgenas.pipeline.baselines import check_baselines
from edgenas.pipeline.configuration import settled
from edgenas.pipeline.warm_start import check_warm_start
from edgenas.settings.option import name_of
from edgenas.settings.search import SearchSettings
from edgenas.settings.shared import AUTO, NONE
from edgenas.storage.run_config import MAY_CHANGE, setting_differences
from edgenas.storage.run_folder import RunFolder, check_name, different_configuration
from edgenas.storage.run_lock import check_free
from edgenas.storage.run_names import RUNS

_BY_THE_IMAGES = ("data", "pretrained")
"""What is not the same text for the same search: a folder that moved, weights chosen by the size of the images. So is
any precision: those that never pay at this size are left out."""


def check_before_images(settings: SearchSettings, device: Device) -> None:
    """Check baselines, the name of the run, the options it was started with, and the weights to begin from.

    Raises:
        RunConflictError: no valid name, the run is in use, or was started with other options.
        InputError: the baselines or the weights cannot be used.
    """
    precisions = precisions_for(settings, device)
    device = device.at(precisions[0])
    if settings.baselines:
        check_baselines(settings, device)
    if settings.run is not None:
        check_name(settings.run)
        check_free(RUNS / settings.run)
        _check_options(settled(settings, device, precisions), settings, RunFolder(RUNS / settings.run))
    if settings.warm_start is not None:
        check_warm_start(settings.run, settings.warm_start)
    if settings.pretrained not in (AUTO, NONE):
        sizes = settings.resolutions
        if (found := pretrained_for(settings, sizes[0] if sizes else None)) is not None:
            found.read()


def _check_options(asked_for: SearchSettings, settings: SearchSettings, folder: RunFolder) -> None:
    """Compare what the call asks for with what the run was started with, but for defaults that images decide."""
    if not folder.document.is_file():
        return
    stored = folder.resumable_document().config.settings.plain()
    _check_place(folder.name, stored["data"], settings)
    asked = asked_for.plain()
    if settings.augment is not None:
        asked["augment"] = augmentation_from_text(settings.augment).text
    left_out = (*MAY_CHANGE, *_BY_THE_IMAGES, *(["precision"] if settings.precisions == () else []))
    known = {name: value for name, value in asked.items() if value is not None and name not in left_out}
    if differences := setting_differences({name: stored[name] for name in known}, known):
        raise different_configuration(folder.name, differences)


def _check_place(name: str, stored: object, settings: SearchSettings) -> None:
    """Raise DataError if the folder of a run's images is not where the call says."""
    given = name_of(settings.data)
    on_folder = (
        Path(str(stored)).is_absolute() and isinstance(settings.data, str | Path) and given not in NAMES
    )
    if on_folder and not Path(given).is_dir():
        raise DataError(
            f"--data {given}: the images of run {name} are not there; they were last in {stored}",
            "if they have moved, give their new place with --data",
        )
