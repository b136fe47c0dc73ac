"""The target device of settings, at its operating point."""

from edgenas.device import Device, find_device
from edgenas.settings.latency_commands import PredictSettings, ProfileSettings, ValidateSettings
from edgenas.settings.search import SearchSettings

DeviceSettings = SearchSettings | ProfileSettings | ValidateSettings | PredictSettings


def device_for(settings: DeviceSettings) -> Device:
    """The device, given by name or as an object, at the operating point of the settings.

    Raises:
        InputError: an unknown device or power mode, or a number of threads for a device that does not support it.
    """
    return find_device(
        settings.device, settings.threads, settings.precision, settings.batch, settings.power_mode
    )
