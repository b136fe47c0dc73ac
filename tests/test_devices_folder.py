"""The device files that ship with edgenas."""

from pathlib import Path

import pytest

from edgenas.device.catalogue import find_device
from edgenas.device.device import Datasheet, Device
from edgenas.formats import read_toml

FOLDER = Path(__file__).parents[1] / "devices"
PATHS = sorted(FOLDER.glob("*.toml"))


@pytest.fixture(autouse=True)
def only_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look devices up where neither the working folder nor the user's data folder has any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_file_is_valid_and_named_after_its_device(path: Path) -> None:
    assert read_toml(path, Device).name == path.stem


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_sources_say_where_assumed_figures_come_from(path: Path) -> None:
    device = read_toml(path, Device)
    text = "\n".join(device.sources)
    if device.is_host:
        assert f"edgenas profile --device {device.name}" in text
    else:
        for figure in Datasheet.model_fields:
            assert f"{figure}:" in text


def test_names_and_aliases_are_unique() -> None:
    devices = [read_toml(path, Device) for path in PATHS]
    names = [name for device in devices for name in (device.name, *device.aliases)]
    assert len(set(names)) == len(names)


def test_boards_and_host_are_there() -> None:
    reach = {device.name: device.reach for device in (read_toml(path, Device) for path in PATHS)}
    boards = {"jetson-orin-nano", "jetson-nano", "raspberry-pi-5", "raspberry-pi-4"}
    hosts = {"cpu", "cuda", "cuda-torch"}
    assert boards | hosts <= set(reach)
    assert all(reach[name] == "none" for name in boards)
    assert all(reach[name] == "local" for name in hosts)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("jetson", "jetson-orin-nano"),
        ("nano", "jetson-nano"),
        ("pi5", "raspberry-pi-5"),
        ("pi4", "raspberry-pi-4"),
        ("gpu", "cuda"),
        ("gpu-torch", "cuda-torch"),
    ],
)
def test_alias_finds_its_device(alias: str, name: str) -> None:
    assert find_device(alias).name == name
