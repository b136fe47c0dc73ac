"""The device that settings ask for, at its operating point."""

from edgenas.device import Device, find_device
from edgenas.settings.measuring import PredictSettings, ProfileSettings, ValidateSettings
from edgenas.settings.search import SearchSettings

AskingForDevice = SearchSettings | ProfileSettings | ValidateSettings | PredictSettings


def device_for(settings: AskingForDevice) -> Device:
    """The device, by name or as handed in, with what the settings say of its operating point.

    Raises:
        InputError: no such device or power mode, or threads for a device that has none to choose.
    """
    return find_device(
        settings.device, settings.threads, settings.precision, settings.batch, settings.power_mode
    )
