"""Finding devices: the nearest folder wins, names suggest themselves."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures.plugins import AddPackage

from edgenas.device import all_devices, damaged_devices, data_folders, find_device
from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.vocabulary import Precision

SHIPPED = {"cpu", "cuda", "cuda-torch", "jetson-nano", "jetson-orin-nano", "raspberry-pi-4", "raspberry-pi-5"}


def _write(folder: Path, fields: dict[str, Any], **changes: Any) -> Path:
    document = {**fields, **changes}
    sheet = document.pop("datasheet")
    lines = [f"{key} = {value!r}" for key, value in document.items()]
    lines += ["[datasheet]", *(f"{key} = {value!r}" for key, value in sheet.items())]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['name']}.toml"
    path.write_text("\n".join(lines))
    return path


def test_shipped_devices_are_always_there() -> None:
    assert {device.name for device in all_devices()} >= SHIPPED
    assert [device.name for device in all_devices()] == sorted(device.name for device in all_devices())


def test_folders_in_order(tmp_path: Path) -> None:
    assert len(data_folders("devices")) == 1
    (tmp_path / "devices").mkdir()
    (tmp_path / "data" / "edgenas" / "devices").mkdir(parents=True)
    working, user, shipped = data_folders("devices")
    assert working.resolve() == tmp_path / "devices"
    assert user == tmp_path / "data" / "edgenas" / "devices"
    assert shipped.is_dir() and (shipped / "cpu.toml").is_file()
    assert data_folders("no such kind") == []


def test_the_users_folder_is_the_systems(tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "edgenas" / "devices"
    folder.mkdir(parents=True)
    code = "from edgenas.device import data_folders; print(data_folders('devices')[0])"
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "xdg")}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(result.stdout.strip()) == folder


def test_working_folder_then_user_then_shipped(tmp_path: Path, fields: dict[str, Any]) -> None:
    user, working = tmp_path / "data" / "edgenas" / "devices", tmp_path / "devices"
    shipped = find_device("cpu").description
    _write(user, fields, name="cpu", description="the user's")
    assert find_device("cpu").description == "the user's" != shipped
    _write(working, fields, name="cpu", description="the working folder's")
    assert find_device("cpu").description == "the working folder's"
    assert [device.name for device in all_devices()].count("cpu") == 1


def test_alias_finds_its_device(tmp_path: Path, fields: dict[str, Any]) -> None:
    _write(tmp_path / "devices", fields)
    assert find_device("board").name == find_device("my-board").name == "my-board"
    assert find_device("jetson").name == "jetson-orin-nano"


def test_a_name_wins_over_an_alias(tmp_path: Path, fields: dict[str, Any]) -> None:
    _write(tmp_path / "devices", fields, name="aaa", aliases=["cpu"])
    assert find_device("cpu").name == "cpu"


def test_threads_replace_the_files_and_scale_its_peak() -> None:
    device, changed = find_device("cpu"), find_device("cpu", threads=3)
    assert (device.threads, changed.threads) == (1, 3)
    assert changed.datasheet.peak_gflops == pytest.approx(3 * device.datasheet.peak_gflops)
    assert changed.datasheet.memory_bandwidth_gb_s == device.datasheet.memory_bandwidth_gb_s


def test_threads_of_what_has_none_are_refused() -> None:
    with pytest.raises(
        InputError, match="jetson-orin-nano runs on TensorrtExecutionProvider, which has no thread count"
    ):
        find_device("jetson", threads=2)


def test_an_alias_of_the_working_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).resolve().parents[2] / "devices/cpu.toml").read_text()
    (tmp_path / "devices").mkdir()
    mine = text.replace('name = "cpu"', 'name = "zz-board"').replace(
        'aliases = ["host"]', 'aliases = ["jetson"]'
    )
    (tmp_path / "devices/zz-board.toml").write_text(mine)
    monkeypatch.chdir(tmp_path)
    assert find_device("jetson").name == "zz-board"


@pytest.mark.parametrize("threads", [0, -2])
def test_threads_below_one_are_refused(threads: int) -> None:
    with pytest.raises(InputError, match=rf"--threads {threads} is out of range; use 1 or more"):
        find_device("cpu", threads=threads)


def test_unknown_device_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown device 'jetsn'; did you mean 'jetson'\? known: agx-orin, "
    ):
        find_device("jetsn")
    with pytest.raises(UnknownNameError, match=r"unknown device 'zzz'; known: .*\(see: edgenas devices\)"):
        find_device("zzz")


def test_a_wrong_file_is_named(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = _write(tmp_path / "devices", fields, threads=0)
    with pytest.raises(
        FileFormatError, match=r"devices/my-board\.toml: threads: input should be greater than"
    ):
        find_device("my-board")
    path.write_text("name = ")
    with pytest.raises(FileFormatError, match=r"devices/my-board\.toml: is not TOML \(.*\); fix that line"):
        find_device("my-board")


def test_a_wrong_file_spoils_no_other_device(tmp_path: Path) -> None:
    before = all_devices()
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "my-board.toml").write_text("name = ")
    (tmp_path / "devices" / "folder.toml").mkdir()
    assert all_devices() == before and find_device("jetson").name == "jetson-orin-nano"
    assert list(damaged_devices()) == ["folder", "my-board"]


@pytest.mark.parametrize("name", ["jetson-orin-nano", "jetson"])
def test_what_a_wrong_file_would_describe_is_not_taken_from_another(tmp_path: Path, name: str) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "jetson-orin-nano.toml").write_text("name = ")
    with pytest.raises(FileFormatError, match=r"devices/jetson-orin-nano\.toml: is not TOML"):
        find_device(name)
    assert "jetson-orin-nano" not in {device.name for device in all_devices()}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("batch", [1, 7, 1024])
def test_precision_and_batch_replace_the_files(precision: Precision, batch: int) -> None:
    for name in ("cpu", "jetson"):
        device, changed = find_device(name), find_device(name, precision=precision, batch=batch)
        assert (changed.precision, changed.batch) == (precision, batch)
        same = {"precision", "batch"}
        assert changed.model_dump(exclude=same) == device.model_dump(exclude=same)


def test_all_options_at_once() -> None:
    device = find_device("host", threads=2, precision="int8", batch=8)
    assert (device.name, device.threads, device.precision, device.batch) == ("cpu", 2, "int8", 8)
    assert device.table_name == "onnxruntime-cpu-int8-t2-b8"
    assert device.datasheet.peak_gflops == pytest.approx(2 * find_device("cpu").datasheet.peak_gflops)


def test_options_left_out_are_the_files(tmp_path: Path, fields: dict[str, Any]) -> None:
    _write(tmp_path / "devices", fields, precision="fp16", batch=4)
    device = find_device("my-board")
    assert (device.precision, device.batch) == ("fp16", 4)
    assert find_device("my-board", batch=2).precision == "fp16"
    assert find_device("my-board", precision="int8").batch == 4


@pytest.mark.parametrize("precision", ["fp8", "FP32", "", "float32"])
def test_an_unknown_precision_is_refused(precision: str) -> None:
    with pytest.raises(InputError, match=rf"^unknown precision '{precision}'; use one of fp32, fp16, int8$"):
        find_device("cpu", precision=precision)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [0, -1, 1025])
def test_a_batch_out_of_range_is_refused(batch: int) -> None:
    with pytest.raises(InputError, match=rf"^--batch {batch} is out of range; use 1 to 1024$"):
        find_device("cpu", batch=batch)


def test_a_power_mode_scales_arithmetic_and_launches_but_not_memory() -> None:
    usual, slow = find_device("tx2"), find_device("tx2", power_mode="MAXQ")
    assert (usual.power_mode, slow.power_mode) == ("MAXN", "MAXQ")
    ratio = 1300 / 854
    assert slow.datasheet.peak_gflops == pytest.approx(usual.datasheet.peak_gflops / ratio)
    assert slow.datasheet.kernel_launch_us == pytest.approx(usual.datasheet.kernel_launch_us * ratio)
    assert slow.datasheet.memory_bandwidth_gb_s == usual.datasheet.memory_bandwidth_gb_s
    assert find_device("tx2", power_mode="MAXN") == usual


def test_an_unknown_power_mode_lists_those_there_are() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"^unknown power mode 'MAXX'; did you mean 'MAX[NPQ]'\? jetson-tx2 has: 'MAXN', 'MAXP', 'MAXQ'$",
    ):
        find_device("tx2", power_mode="MAXX")
    with pytest.raises(UnknownNameError, match="unknown power mode '5W'; cpu has: '"):
        find_device("cpu", power_mode="5W")


def test_a_broken_package_of_devices_hides_no_others(
    add_package: AddPackage, caplog: pytest.LogCaptureFixture
) -> None:
    add_package("broken_boards", "[edgenas.devices]\nboards = broken_boards\n", "import no_such_library")
    assert find_device("cpu").name == "cpu"
    assert "edgenas.devices 'boards' (broken_boards) cannot be loaded: ModuleNotFoundError" in caplog.text
