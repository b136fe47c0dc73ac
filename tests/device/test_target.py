"""What each target reads, and which of them a device's files are for."""

from collections.abc import Callable
from typing import Any, get_args

import onnx
import pytest

from edgenas.board import host
from edgenas.device import Device, all_devices, find_device
from edgenas.device.target import TARGETS, scheme_for, searched_scheme_of, searched_target_of, target_of
from edgenas.vocabulary import TargetName

# ONNX's own table of releases: the oldest IR version that has an opset's operators.
IR_OF_OPSET = {row[2]: row[1] for row in onnx.helper.VERSION_TABLE}


def test_every_name_has_a_row_with_sources() -> None:
    assert tuple(TARGETS) == get_args(TargetName)
    for name, target in TARGETS.items():
        assert target.name == name and target.title and target.limits
        assert all(source.startswith("https://") for source in target.sources) and target.sources


def test_ir_versions_are_those_that_came_with_the_opset() -> None:
    for target in TARGETS.values():
        assert target.onnx.ir == IR_OF_OPSET[target.onnx.opset]


@pytest.mark.parametrize(
    ("device", "target", "opset"),
    [
        ("cpu", "onnxruntime", 17),
        ("cuda-torch", "onnxruntime", 17),
        ("raspberry-pi-5", "onnxruntime", 17),
        ("jetson-nano", "tensorrt-8.2", 13),
        ("jetson-tx2", "tensorrt-8.2", 13),
        ("jetson-xavier-nx", "tensorrt-8.5", 17),
        ("jetson", "tensorrt-8.6", 17),
    ],
)
def test_files_are_for_what_the_device_has(device: str, target: TargetName, opset: int) -> None:
    found = target_of(find_device(device))
    assert (found.name, found.onnx.opset) == (target, opset)


def test_shipped_jetsons_name_their_version_and_where_it_is_from() -> None:
    jetsons = [device for device in all_devices() if device.name.startswith("jetson")]
    for device in jetsons:
        assert device.target is not None
        assert any(source.startswith("target: ") for source in device.sources)


@pytest.mark.parametrize(("runtime", "target"), [("tensorrt", "tensorrt"), ("tflite", "litert")])
def test_without_a_word_it_is_the_runtime_s_usual_version(
    board: Device, runtime: str, target: TargetName
) -> None:
    assert target_of(board.model_copy(update={"runtime": runtime})).name == target


def test_a_search_writes_onnx_whatever_the_device_reads(board: Device) -> None:
    phone = board.model_copy(update={"runtime": "tflite"})
    assert searched_target_of(phone) == TARGETS["onnxruntime"]
    assert searched_target_of(find_device("jetson-nano")) == TARGETS["tensorrt-8.2"]


@pytest.mark.parametrize(
    ("processor", "target", "scheme"),
    [
        ("arm64", "onnxruntime", "arm64"),
        ("x86-64-vnni", "onnxruntime", "x86-64-vnni"),
        ("arm64", "openvino", "x86-64"),
        ("x86-64-vnni", "openvino", "x86-64-vnni"),
        ("arm64", "onnxruntime-web", "x86-64"),
        ("x86-64-vnni", "onnxruntime-web", "x86-64-vnni"),
        ("x86-64", "ort-mobile", "arm64"),
        ("x86-64", "tensorrt-8.2", "tensorrt"),
    ],
)
def test_int8_is_as_the_target_wants_it(
    board: Device, processor: str, target: TargetName, scheme: str
) -> None:
    device = board.model_copy(update={"processor": processor})
    assert scheme_for(TARGETS[target], device).name == scheme


@pytest.mark.parametrize(
    ("device", "scheme"), [("raspberry-pi-5", "arm64"), ("jetson-orin-nano", "tensorrt")]
)
def test_int8_of_shipped_devices_is_as_their_runtime_wants_it(device: str, scheme: str) -> None:
    assert searched_scheme_of(find_device(device)).name == scheme


def test_int8_of_this_host_is_as_its_processor_wants_it() -> None:
    assert searched_scheme_of(find_device("cpu")).name == host.instructions()


@pytest.mark.parametrize("reach", ["local", "none"])
@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ({"processor": "x86-64"}, "x86-64"),
        ({"processor": "x86-64", "target": "tensorrt-8.5"}, "tensorrt"),
        ({"processor": "x86-64-vnni", "target": "ort-mobile"}, "x86-64-vnni"),
    ],
    ids=["processor", "target", "a format of its own, which a search does not write"],
)
def test_int8_is_searched_as_a_device_s_file_says(
    board: Device, reach: str, said: dict[str, str], scheme: str
) -> None:
    assert searched_scheme_of(board.model_copy(update={"reach": reach, **said})).name == scheme


def test_an_unknown_target_in_a_device_s_file_is_refused(board: Device) -> None:
    plain: dict[str, Any] = board.model_dump(by_alias=True)
    refuse: Callable[[], Device] = lambda: Device.model_validate(plain | {"target": "tensorrt-7"})  # noqa: E731
    with pytest.raises(ValueError, match=r"target\n  Input should be 'onnxruntime', 'onnxruntime-1.11'"):
        refuse()
