"""Which operating points have tables, the nearest first."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgenas.device import Device, find_device
from edgenas.latency.nearby_tables import points_with_tables
from edgenas.latency.table import table_path


def _write(*names: str, device: str = "cpu") -> None:
    folder = table_path(find_device(device)).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.json").touch()


def _points(device: Device) -> Sequence[tuple[int, int]]:
    return [(point.threads, point.batch) for point in points_with_tables(device)]


def test_without_tables_there_are_none(device: Device) -> None:
    assert points_with_tables(device) == []


def test_the_own_point_comes_first_then_other_batches_then_other_threads(folders: Path) -> None:
    points = ("t1-b1", "t1-b8", "t1-b64", "t2-b4", "t4-b4", "t8-b1", "t2-b64")
    _write(*(f"onnxruntime-cpu-fp32-{point}" for point in points))
    asked = find_device("cpu", threads=2, batch=4)
    assert _points(asked) == [(2, 4), (2, 64), (4, 4), (1, 8), (1, 1), (1, 64), (8, 1)]
    assert points_with_tables(asked)[0] is asked


def test_the_device_is_at_each_point_as_if_it_had_been_asked_for(folders: Path) -> None:
    _write("onnxruntime-cpu-fp32-t4-b8")
    assert points_with_tables(find_device("cpu")) == [find_device("cpu", threads=4, batch=8)]


@pytest.mark.parametrize(
    "name",
    [
        "onnxruntime-cpu-int8-t1-b2",
        "tflite-cpu-fp32-t1-b2",
        "onnxruntime-cuda-fp32-t1-b2",
        "onnxruntime-cpu-fp32-t1-b0",
        "onnxruntime-cpu-fp32-t1-b2000",
        "onnxruntime-cpu-fp32-t1-b20000",
        "onnxruntime-cpu-fp32-t1-b2-copy",
        "copy",
    ],
)
def test_other_tables_do_not_count(name: str, folders: Path) -> None:
    _write(name)
    assert points_with_tables(find_device("cpu")) == []


def test_a_table_is_of_its_power_mode(folders: Path) -> None:
    nano = find_device("jetson-nano", batch=2)
    mode, *_, other = nano.power_modes
    one = find_device("jetson-nano", batch=1, power_mode=mode)
    _write(one.table_name, device="jetson-nano")
    assert points_with_tables(find_device("jetson-nano", batch=2, power_mode=mode)) == [one]
    assert points_with_tables(find_device("jetson-nano", batch=2, power_mode=other)) == []


def test_threads_of_a_gpu_are_what_its_file_says(folders: Path) -> None:
    gpu = find_device("cuda", batch=4)
    _write(*(gpu.table_name.replace("b4", f"b{batch}") for batch in (1, 2)), device="cuda")
    _write(gpu.table_name.replace(f"t{gpu.threads}-", f"t{gpu.threads + 1}-"), device="cuda")
    assert _points(gpu) == [(gpu.threads, 2), (gpu.threads, 1)]
