"""A device as its file says it: what is accepted, and how what is not is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.plugins import AddPackage
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import Device, Provenance, find_device, runtime_for
from edgenas.device.device import Costs
from edgenas.device.onnx_process import OnnxProcess
from edgenas.device.runtime import Feeds
from edgenas.device.torch_cuda import TorchRuntime
from edgenas.errors import DeviceError, FileFormatError
from edgenas.formats import read_json, validate, write_json
from edgenas.precision.scheme import Scheme
from edgenas.timing.loaded_models import load_sentinel

FIGURES = ["peak_gflops", "memory_bandwidth_gb_s", "memory_bytes", "kernel_launch_us"]


def test_device_survives_a_file(make: Callable[..., Device], tmp_path: Path) -> None:
    device = make()
    write_json(tmp_path / "device.json", device)
    assert read_json(tmp_path / "device.json", Device) == device


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "fast", None])
def test_figures_are_positive_and_finite(fields: dict[str, Any], figure: str, value: object) -> None:
    fields["datasheet"][figure] = value
    with pytest.raises(FileFormatError, match=rf"d\.toml: datasheet\.{figure}: input should be "):
        validate(fields, Device, Path("d.toml"))


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_all_needed(fields: dict[str, Any], figure: str) -> None:
    del fields["datasheet"][figure]
    with pytest.raises(FileFormatError, match=rf"d\.toml: datasheet\.{figure}: field required"):
        validate(fields, Device, Path("d.toml"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "edgenas.device/2"),
        ("name", "My Board"),
        ("name", "../board"),
        ("name", "board-"),
        ("name", ""),
        ("name", "a" * 65),
        ("aliases", ["a" * 65]),
        ("provider", "a" * 65),
        ("power_modes", {"a" * 81: 1000.0}),
        ("runtime", "caffe"),
        ("precision", "fp8"),
        ("threads", 0),
        ("threads", 1025),
        ("threads", 1.5),
        ("batch", 0),
        ("reach", "ssh"),
        ("sources", []),
        ("aliases", "board"),
        ("colour", "green"),
        ("datasheet", None),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], field: str, value: object) -> None:
    with pytest.raises(FileFormatError, match=rf"^d\.toml: {field}[^ ]*: ") as caught:
        validate({**fields, field: value}, Device, Path("d.toml"))
    assert caught.value.field.startswith(field)


def test_each_field_without_default_is_needed(fields: dict[str, Any]) -> None:
    for field in fields:
        rest = {key: value for key, value in fields.items() if key != field}
        if field == "aliases":
            assert validate(rest, Device, Path("d.toml")).aliases == ()
            continue
        with pytest.raises(FileFormatError, match=rf"^d\.toml: {field}: field required; "):
            validate(rest, Device, Path("d.toml"))


@given(st.text(max_size=12))
def test_a_name_is_a_safe_folder_name(name: str) -> None:
    document = {"name": name}
    with pytest.raises(FileFormatError) as caught:
        validate(document, Device, Path("d.toml"))
    if name.strip("abcdefghijklmnopqrstuvwxyz0123456789-") or not name:
        assert caught.value.field in ("name", "schema")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "onnxruntime-cpu-fp32-t1-b1"),
        ({"threads": 4, "batch": 8}, "onnxruntime-cpu-fp32-t4-b8"),
        (
            {"runtime": "tensorrt", "provider": "TensorrtExecutionProvider", "precision": "fp16"},
            "tensorrt-tensorrt-fp16-t1-b1",
        ),
        ({"runtime": "torch", "provider": "cuda"}, "torch-cuda-fp32-t1-b1"),
        ({"power_modes": {"default": 2.0, "slow": 1.0}}, "onnxruntime-cpu-fp32-t1-b1-default"),
        (
            {"power_modes": {"10W (MAXN)": 2.0, "5W": 1.0}, "power_mode": "10W (MAXN)"},
            "onnxruntime-cpu-fp32-t1-b1-10w-maxn",
        ),
    ],
)
def test_table_name_tells_operating_points_apart(
    make: Callable[..., Device], changes: dict[str, Any], name: str
) -> None:
    assert make(**changes).table_name == name


def test_devices_can_be_keys(make: Callable[..., Device]) -> None:
    modes = {"default": 2.0, "slow": 1.0}
    devices = [make(), make(batch=2), make(power_modes=modes), make(power_modes=modes, power_mode="slow")]
    assert len(set(devices)) == len(devices)
    assert hash(find_device("cpu")) == hash(find_device("host"))


def test_reach_decides_the_host(make: Callable[..., Device]) -> None:
    assert make(reach="local").is_host
    assert not make(reach="none").is_host


def test_provenance_reads_as_its_word() -> None:
    assert [f"{p}" for p in Provenance] == ["measured", "calibrated", "estimated"]


def test_runtime_for_the_host(make: Callable[..., Device]) -> None:
    runtime = runtime_for(make(reach="local", threads=3))
    assert isinstance(runtime, OnnxProcess)
    assert (runtime.provider, runtime.threads) == ("CPUExecutionProvider", 3)


@pytest.mark.parametrize("processor", ["arm64", "x86-64"])
def test_this_host_times_int8_models_in_the_form_that_its_file_asks_for(
    make: Callable[..., Device], processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Scheme] = []

    def convert(model: bytes, precision: str, feeds: Feeds, scheme: Scheme) -> bytes:
        used.append(scheme)
        return model

    monkeypatch.setattr("edgenas.device.onnx_process.convert", convert)
    load_sentinel(runtime_for(make(reach="local", precision="int8", processor=processor)))
    assert [each.name for each in used] == [processor]


def test_runtime_for_torch(make: Callable[..., Device]) -> None:
    runtime = runtime_for(make(reach="local", runtime="torch", provider="cpu", threads=2, precision="fp16"))
    assert isinstance(runtime, TorchRuntime)
    assert (runtime.provider, runtime.threads, runtime.precision) == ("cpu", 2, "fp16")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {},
            r"device my-board cannot be reached from here \(its file says reach = 'none'\); time it there with a kit",
        ),
        (
            {"reach": "local", "runtime": "tflite"},
            "edgenas cannot time models with tflite; use a device on onnxruntime or torch",
        ),
        (
            {"reach": "local", "runtime": "tensorrt"},
            "edgenas cannot time models with tensorrt; use a device on onnxruntime or torch",
        ),
        ({"reach": "local", "runtime": "torch"}, "PyTorch times on cuda and cpu here, not on CPUExecution"),
        ({"reach": "local", "provider": "AbacusExecutionProvider"}, "here has no AbacusExecutionProvider"),
    ],
)
def test_no_runtime_for(make: Callable[..., Device], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        runtime_for(make(**changes))


# Power modes and fitted costs.


@pytest.fixture
def calibrated() -> dict[str, Any]:
    """A valid `calibrated` section as a dictionary."""
    return {
        "precision": "fp32",
        "threads": 1,
        "batch": 1,
        "power_mode": "default",
        "networks": 9,
        "median_error_percent": 8.5,
        "spearman": 0.95,
        "interval_factor": 1.3,
        "figures": ["nine latencies of somebody (MIT)"],
        "costs": dict.fromkeys(Costs.model_fields, 0.5),
    }


def test_fitted_costs_are_read(fields: dict[str, Any], calibrated: dict[str, Any]) -> None:
    device = validate({**fields, "calibrated": calibrated}, Device, Path("d.toml"))
    assert device.calibrated is not None and device.calibrated.costs.macs_dense == 0.5
    assert device.slowdown_since("default") == 1


@pytest.mark.parametrize("cost", Costs.model_fields)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "cheap", None])
def test_costs_are_numbers_from_zero(
    fields: dict[str, Any], calibrated: dict[str, Any], cost: str, value: object
) -> None:
    calibrated["costs"][cost] = value
    with pytest.raises(FileFormatError, match=rf"d\.toml: calibrated\.costs\.{cost}: input should be "):
        validate({**fields, "calibrated": calibrated}, Device, Path("d.toml"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("precision", "fp8"),
        ("threads", 0),
        ("networks", 0),
        ("median_error_percent", -1),
        ("spearman", 1.5),
        ("interval_factor", 1.0),
        ("figures", []),
        ("costs", {}),
        ("colour", "green"),
    ],
)
def test_a_wrong_field_of_the_calibration_is_named(
    fields: dict[str, Any], calibrated: dict[str, Any], field: str, value: object
) -> None:
    with pytest.raises(FileFormatError, match=rf"^d\.toml: calibrated\.{field}"):
        validate({**fields, "calibrated": {**calibrated, field: value}}, Device, Path("d.toml"))


def test_power_modes_hold_the_devices_own_and_that_of_its_figures(
    fields: dict[str, Any], calibrated: dict[str, Any]
) -> None:
    modes = {"default": 1000.0, "slow": 500.0}
    device = validate({**fields, "power_modes": modes, "calibrated": calibrated}, Device, Path("d.toml"))
    assert device.model_copy(update={"power_mode": "slow"}).slowdown_since("default") == 2
    with pytest.raises(FileFormatError, match="power mode 'default' is not among power_modes"):
        validate({**fields, "power_modes": {"slow": 500.0}}, Device, Path("d.toml"))
    calibrated["power_mode"] = "turbo"
    for known in (modes, {}):
        with pytest.raises(FileFormatError, match="power mode 'turbo' is not among power_modes"):
            validate({**fields, "power_modes": known, "calibrated": calibrated}, Device, Path("d.toml"))
    with pytest.raises(FileFormatError, match=r"power_modes\.slow: input should be greater than or equal to"):
        validate({**fields, "power_modes": {**modes, "slow": 0}}, Device, Path("d.toml"))
    with pytest.raises(FileFormatError, match="power_modes must differ in letters or digits"):
        validate({**fields, "power_modes": {**modes, "5 W": 2.0, "5-W": 1.0}}, Device, Path("d.toml"))


def test_a_package_that_makes_no_runtime_is_named(
    make: Callable[..., Device], add_package: AddPackage
) -> None:
    add_package("no_runtime", "[edgenas.runtimes]\nmine = no_runtime:make\n", "def make(device): return 1\n")
    with pytest.raises(
        DeviceError, match=r"^edgenas\.runtimes 'mine' makes no Runtime; see docs/extending\.md$"
    ):
        runtime_for(make(reach="local", runtime="mine"))
