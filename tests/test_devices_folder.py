"""The device files that ship with edgenas."""

import csv
import warnings
from pathlib import Path

import pytest
import torch
import torchvision

from edgenas import predict
from edgenas.device.catalogue import find_device
from edgenas.device.device import Datasheet, Device
from edgenas.device_models.fitted import model_of
from edgenas.device_models.roofline import BYTES
from edgenas.device_models.work import block_work
from edgenas.formats import read_toml
from edgenas.space import mbconv

FOLDER = Path(__file__).parents[1] / "devices"
PATHS = sorted(FOLDER.glob("*.toml"))

CALIBRATED = (
    "jetson-agx-orin",
    "jetson-agx-xavier",
    "jetson-nano",
    "jetson-orin-nano",
    "jetson-tx2",
    "jetson-xavier-nx",
    "raspberry-pi-4",
    "raspberry-pi-5",
)


PUBLISHED = FOLDER.parent.parent / "shared" / "data" / "published_whole_network_latency.csv"

JETSONS = {
    ("Jetson Orin Nano", "TensorRT JetPack 6.0"): "jetson-orin-nano",
    ("Jetson AGX Orin", "TensorRT JetPack 5.0.1"): "jetson-agx-orin",
    ("Jetson Nano", "TensorRT JetPack 4.6"): "jetson-nano",
    ("Jetson NX", "TensorRT JetPack 4.6"): "jetson-xavier-nx",
    ("Jetson TX2", "TensorRT JetPack 4.6"): "jetson-tx2",
    ("Jetson Xavier", "TensorRT JetPack 4.6"): "jetson-agx-xavier",
}
"""Published device and runtime -> device file."""


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
    boards = {*CALIBRATED}
    hosts = {"cpu", "cuda", "cuda-torch"}
    assert boards | hosts <= set(reach)
    assert all(reach[name] == "none" for name in boards)
    assert all(reach[name] == "local" for name in hosts)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("jetson", "jetson-orin-nano"),
        ("nano", "jetson-nano"),
        ("tx2", "jetson-tx2"),
        ("xavier-nx", "jetson-xavier-nx"),
        ("agx-xavier", "jetson-agx-xavier"),
        ("agx-orin", "jetson-agx-orin"),
        ("pi5", "raspberry-pi-5"),
        ("pi4", "raspberry-pi-4"),
        ("gpu", "cuda"),
        ("gpu-torch", "cuda-torch"),
    ],
)
def test_alias_finds_its_device(alias: str, name: str) -> None:
    assert find_device(alias).name == name


@pytest.mark.parametrize("name", CALIBRATED)
def test_boards_are_calibrated_as_well_as_promised(name: str) -> None:
    device = find_device(name)
    fitted = device.calibrated
    assert fitted is not None
    assert fitted.median_error_percent <= 12 and fitted.spearman >= 0.9
    assert 1.1 < fitted.interval_factor < 2
    assert (fitted.precision, fitted.threads, fitted.batch) == (
        device.precision,
        device.threads,
        device.batch,
    )
    assert fitted.power_mode == device.power_mode
    *own, others = fitted.figures
    assert all("(Apache-2.0)" in text or "(MIT)" in text for text in fitted.figures)
    assert sum(int(text.split()[0]) for text in own) >= fitted.networks >= 9
    assert others.startswith("fitted together with ")


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published latencies are not here")
def test_a_published_network_lies_within_the_interval(tmp_path: Path) -> None:
    path = tmp_path / "resnet50.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        network = torchvision.models.resnet50(weights=None).eval()
        torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), str(path), dynamo=False)
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"].lower() == "resnet50"]
    published = {JETSONS.get((row["device"], row["runtime"])): float(row["latency_ms"]) for row in rows}
    for name in JETSONS.values():
        latency = predict(path, name).latency_ms
        assert latency.low <= published[name] <= latency.high


@pytest.mark.parametrize("name", CALIBRATED)
def test_fitted_costs_lie_within_what_the_datasheet_allows(name: str) -> None:
    """Winograd's 3x3 convolution computes 2.25 times less than is counted; caches spare traffic, never weights."""
    device = find_device(name)
    assert device.calibrated is not None
    costs, sheet = device.calibrated.costs.model_dump(), device.datasheet
    peak_ms = 2e3 / sheet.peak_gflops
    number_ms = BYTES[device.precision] / sheet.memory_bandwidth_gb_s
    for cost, value in costs.items():
        kind, _, what = cost.partition("_")
        within = {
            "launch": (1e-3, 0.1),
            "macs": (peak_ms / 2.25 if what == "dense" else peak_ms, 1e3 * peak_ms),
            "traffic": (number_ms if what == "weights" else 0.2 * number_ms, 20 * number_ms),
        }
        least, most = within[kind]
        assert least < value < most, cost


@pytest.mark.parametrize("name", CALIBRATED)
def test_the_order_of_boards_and_networks_is_kept(name: str) -> None:
    model = model_of(find_device(name))
    small, large = (
        sum(
            model.work_ms(work)
            for block in space.blocks(space.decode(choice))
            for work in block_work(block, 1)
        )
        for space in [mbconv(224, 1000)]
        for choice in ([0] * len(space.variables), [2] * len(space.variables))
    )
    assert 0.1 < small < large < 1000
