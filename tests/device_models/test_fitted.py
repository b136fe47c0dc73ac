"""The calibrated device model: a sum of costs times amounts, sane far outside of what it was fitted to."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import Device, all_devices, find_device
from edgenas.device.device import Costs
from edgenas.device_models.fitted import Calibrated, amounts, model_of
from edgenas.device_models.roofline import Roofline
from edgenas.device_models.work import DeviceModel, Interval, Kind, Work

DEVICES = [device for device in all_devices() if device.calibrated]
ONES = Costs(**dict.fromkeys(Costs.model_fields, 1.0))

devices = st.sampled_from(DEVICES)
works = st.builds(
    Work,
    kind=st.sampled_from(get_args(Kind)),
    macs=st.integers(0, 10**14),
    features=st.integers(0, 10**11),
    weights=st.integers(0, 10**11),
    launches=st.integers(1, 100),
    reuse=st.integers(1, 10**5),
    functions=st.integers(0, 10**11),
)
counts = st.sampled_from(["macs", "features", "weights", "launches", "functions"])


@given(devices, works)
def test_every_kernel_takes_time(device: Device, work: Work) -> None:
    assert 0 < model_of(device).work_ms(work) < float("inf")


@given(devices, works, counts, st.integers(1, 10**12))
def test_more_work_is_not_faster(device: Device, work: Work, count: str, more: int) -> None:
    model = model_of(device)
    grown = replace(work, **{count: getattr(work, count) + more})
    assert model.work_ms(grown) >= model.work_ms(work)


@given(devices, works, st.integers(2, 1000))
def test_a_larger_kernel_takes_at_most_as_many_times_longer(device: Device, work: Work, times: int) -> None:
    model = model_of(device)
    large = replace(
        work, **{name: times * getattr(work, name) for name in ("macs", "features", "weights", "functions")}
    )
    assert model.work_ms(work) <= model.work_ms(large) <= times * model.work_ms(work) * (1 + 1e-9)


def test_it_is_a_device_model() -> None:
    model: DeviceModel = Calibrated(ONES, Interval(0.5, 2.0))
    assert model.provenance == "calibrated"
    assert model.work_ms(Work("dense", 10**9, 10**6, 10**6, functions=10**6)) == pytest.approx(5)
    assert replace(model, slowdown=2.0).work_ms(Work("copy", 0, 10**6, launches=3)) == pytest.approx(8)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("work", "charged"),
    [
        (Work("pointwise", 1, 1), {"launch_product", "macs_pointwise", "traffic_product"}),
        (
            Work("grouped", 8, 1, reuse=4),
            {"launch_product", "macs_dense", "macs_depthwise", "traffic_product"},
        ),
        (Work("linear", 1, 1, 1), {"launch_product", "macs_linear", "traffic_product", "traffic_weights"}),
        (Work("copy", 0, 1), {"launch_copy", "traffic_copy"}),
        (Work("unknown", 0, 1), {"launch_other", "traffic_other"}),
        (Work("elementwise", 0, 1), {"launch_other", "traffic_other"}),
        (Work("elementwise", 0, 1, launches=0), {"traffic_product"}),
    ],
)
def test_what_a_kernel_is_charged_for(work: Work, charged: set[str]) -> None:
    found = amounts(work)
    assert {name for name, amount in found.items() if amount} == charged
    assert found.keys() <= Costs.model_fields.keys()


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_every_fitted_cost_is_used(device: Device) -> None:
    kinds = {name for kind in get_args(Kind) for name in amounts(Work(kind, 1, 1, 1, functions=1))}
    assert kinds == set(Costs.model_fields)
    assert min(device.calibrated.costs.model_dump().values()) > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("changes", [{"precision": "int8"}, {"batch": 8}, {"threads": 2}])
def test_what_nobody_published_is_left_to_the_datasheet(changes: dict[str, Any]) -> None:
    assert isinstance(model_of(find_device("pi4")), Calibrated)
    assert isinstance(model_of(find_device("pi4", **changes)), Roofline)
    assert isinstance(model_of(find_device("cpu")), Roofline)


def test_leaving_what_is_calibrated_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model_of(find_device("pi5"))
    assert not caplog.messages
    model_of(find_device("pi5", precision="int8"))
    assert caplog.messages == [
        "raspberry-pi-5 is calibrated only at fp32, threads 4, batch 1; this prediction is an estimate from its "
        "datasheet"
    ]


@given(works, st.sampled_from([("tx2", "MAXQ"), ("agx-xavier", "15W"), ("pi4", "1.8 GHz")]))
def test_latency_follows_the_clock_of_the_power_mode(work: Work, chosen: tuple[str, str]) -> None:
    name, mode = chosen
    usual, other = find_device(name), find_device(name, power_mode=mode)
    ratio = usual.power_modes[usual.power_mode] / usual.power_modes[mode]
    assert model_of(other).work_ms(work) == pytest.approx(ratio * model_of(usual).work_ms(work))
    # It holds more: memory traffic may stay as fast as it was.
    wider = model_of(other).interval.high / model_of(usual).interval.high
    assert 1 < wider < max(ratio, 1 / ratio) ** 0.5
    assert model_of(other).interval.low * model_of(other).interval.high == pytest.approx(1)
