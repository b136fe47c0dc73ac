"""The target device of settings: by name or as an object, at its operating point."""

import pytest

from edgenas.device import find_device
from edgenas.errors import InputError, UnknownNameError
from edgenas.inputs.targets import device_for
from edgenas.settings.latency_commands import PredictSettings, ProfileSettings, ValidateSettings
from edgenas.settings.search import SearchSettings


def test_without_an_operating_point_it_is_the_one_of_its_file() -> None:
    assert device_for(SearchSettings("cpu", "20ms")) == find_device("cpu")
    assert device_for(PredictSettings("model.onnx", "pi5")).name == "raspberry-pi-5"


def test_the_settings_of_the_operating_point_replace_those_of_the_file() -> None:
    device = device_for(ProfileSettings("cpu", threads=3, precision="int8", batch=2))
    assert (device.threads, device.precision, device.batch) == (3, "int8", 2)
    (mode, *_) = [
        each for each in find_device("jetson").power_modes if each != find_device("jetson").power_mode
    ]
    assert device_for(ValidateSettings("jetson", power_mode=mode)).power_mode == mode


def test_an_object_is_taken_as_it_is() -> None:
    board = find_device("cpu").model_copy(update={"name": "board"})
    assert device_for(SearchSettings(board, "20ms")) == board
    assert device_for(SearchSettings(board, "20ms", batch=4)).batch == 4


def test_an_unknown_device_or_power_mode_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="unknown device 'jetsom'; did you mean 'jetson"):
        device_for(SearchSettings("jetsom", "20ms"))
    with pytest.raises(InputError, match="unknown power mode '1000W'"):
        device_for(SearchSettings("jetson", "20ms", power_mode="1000W"))
