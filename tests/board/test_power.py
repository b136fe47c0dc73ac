"""Power meters of boards, read from files and programs as on real ones."""

import shutil
import threading
import time
from pathlib import Path

import pytest
from fixtures.power import PMIC, TEGRASTATS, add_program, hwmon_chip, rapl_zone, system, write_files

from edgenas.board import power
from edgenas.board.power import Meter, MeterError, PowerMeter, find_meter, why_no_meter

__all__ = ["system"]

ORIN_NANO = [("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 300), ("VDD_SOC", 5000, 200)]
AGX_ORIN = [("VDD_GPU_SOC", 20000, 150), ("VDD_CPU_CV", 20000, 50), ("VIN_SYS_5V0", 5000, 800)]


def _mean_watts(meter: Meter) -> float:
    with meter:
        first = meter.read()
        while (last := meter.read()).at_s <= first.at_s + 1e-4:
            pass
    return (last.joules - first.joules) / (last.at_s - first.at_s)


def _found() -> Meter:
    meter = find_meter()
    assert meter is not None
    return meter


def test_a_system_without_any_meter(system: Path) -> None:
    assert find_meter() is None
    assert why_no_meter() == "none on this system"


@pytest.mark.parametrize(
    ("chips", "name", "watts"),
    [
        ([ORIN_NANO], "INA3221 (VDD_IN)", 6.0),
        (
            [AGX_ORIN, [("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 100)]],  # the latter is fed by VIN_SYS_5V0
            "INA3221 (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0)",
            8.0,
        ),
        (
            [[("GPU", 19000, 10), ("CPU", 19000, 20)], [("SYS5V", 5000, 86)]],
            "INA3221 (GPU + CPU + SYS5V)",
            1.0,
        ),
    ],
)
def test_a_jetson_s_chips(
    system: Path, chips: list[list[tuple[str, int, int]]], name: str, watts: float
) -> None:
    write_files(system, {"hwmon/hwmon0/name": "pwmfan", "hwmon/hwmon0/in1_label": "VDD_IN"})
    for number, rails in enumerate(chips, 1):
        write_files(system, hwmon_chip(number, *rails))
    meter = _found()
    assert meter.name == name
    assert _mean_watts(meter) == pytest.approx(watts)


def test_a_channel_that_is_switched_off_is_left_out(system: Path) -> None:
    write_files(system, hwmon_chip(1, *AGX_ORIN[:2]))
    (system / "hwmon/hwmon1/curr2_input").unlink()
    assert _found().name == "INA3221 (VDD_GPU_SOC)"


@pytest.mark.parametrize("device", ["iio:device0", "iio_device"])
def test_the_older_layout_of_a_jetson(system: Path, device: str) -> None:
    rails = {"POM_5V_IN": 2532, "POM_5V_GPU": 40, "POM_5V_CPU": 401}
    for number, (name, milliwatts) in enumerate(rails.items()):
        folder = f"ina3221x/6-0040/{device}"
        write_files(
            system, {f"{folder}/rail_name_{number}": name, f"{folder}/in_power{number}_input": milliwatts}
        )
    assert _found().name == "INA3221 (POM_5V_IN)"
    assert _mean_watts(_found()) == pytest.approx(2.532)


@pytest.mark.parametrize(
    ("rails", "name", "watts"),
    [
        ("VDD_IN 5012mW/4890mW VDD_CPU_GPU_CV 560mW/560mW VDD_SOC 1080mW/1080mW", "VDD_IN", 5.012),
        ("POM_5V_IN 2003/2003 POM_5V_GPU 0/0 POM_5V_CPU 320/320", "POM_5V_IN", 2.003),
        ("GPU 0/0 CPU 311/311 SOC 933/933", "GPU + CPU + SOC", 1.244),
    ],
)
def test_tegrastats(system: Path, rails: str, name: str, watts: float) -> None:
    (system / "line").write_text(TEGRASTATS.format(rails=rails))
    add_program(system, "tegrastats", f"while :; do cat {system}/line; sleep 0.1; done")
    meter = _found()
    assert meter.name == f"tegrastats ({name})"
    assert _mean_watts(meter) == pytest.approx(watts)


@pytest.mark.parametrize("script", ["exit 1", "echo CPU [22%@518]", "sleep 600"])
def test_a_tegrastats_that_tells_no_power(system: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "MAX_SILENCE_S", 0.2)
    add_program(system, "tegrastats", f"exec {script}" if script.startswith("sleep") else script)
    assert find_meter() is None


def test_the_power_chip_of_a_raspberry_pi_5(system: Path) -> None:
    (system / "shown").write_text(PMIC)
    add_program(system, "vcgencmd", f'[ "$1" = pmic_read_adc ] && cat {system}/shown')
    meter = _found()
    assert meter.name == "PMIC (3V3_SYS + VDD_CORE)"
    assert _mean_watts(meter) == pytest.approx(0.5 * 3.2 + 2 * 0.75)


def test_a_raspberry_pi_4_has_no_such_chip(system: Path) -> None:
    add_program(system, "vcgencmd", 'echo "error=1 error_msg=\\"Command not registered\\""')
    assert find_meter() is None


def test_counters_of_an_x86_processor_wrap(system: Path) -> None:
    write_files(
        system,
        {
            **rapl_zone("0", "package-0", 999_000),
            **rapl_zone("0:0", "core", 500),
            **rapl_zone("0:1", "dram", 10),
            **rapl_zone("1", "psys", 7),
        },
    )
    meter = _found()
    assert meter.name == "RAPL (package-0 + dram)"
    with meter:
        assert meter.read().joules == 0
        write_files(
            system, {"powercap/intel-rapl:0/energy_uj": 4_000, "powercap/intel-rapl:0:1/energy_uj": 1_010}
        )
        assert meter.read().joules == pytest.approx(0.006)
        write_files(system, {"powercap/intel-rapl:0/energy_uj": 3_000})
        assert meter.read().joules == pytest.approx(0.006 + 0.999)
        write_files(system, {"powercap/intel-rapl:0/energy_uj": "?"})
        with pytest.raises(
            MeterError, match=r"the power meter RAPL \(package-0 \+ dram\) cannot be read \(invalid"
        ):
            meter.read()


def test_a_processor_s_counters_leave_out_its_gpu(system: Path) -> None:
    write_files(system, rapl_zone("0", "package-0", 0))
    assert find_meter() is not None and find_meter(gpu=True) is None
    assert why_no_meter(gpu=True) == "none on this system"


def test_counters_for_root_only_are_no_meter_and_the_remedy_is_told(system: Path) -> None:
    write_files(system, rapl_zone("0", "package-0", 0))
    counter = system / "powercap/intel-rapl:0/energy_uj"
    counter.unlink()
    counter.mkdir()  # which root cannot read either
    assert find_meter() is None
    assert why_no_meter() == (
        "the processor's energy counters (RAPL) can be read by root only; for energies: "
        "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
    )


def test_counters_without_a_range_are_refused(system: Path) -> None:
    write_files(system, rapl_zone("0", "package-0", 0, range_uj=0))
    with pytest.raises(MeterError, match="has counters without a range"), _found():
        pass


def _read_until_it_fails(meter: PowerMeter) -> None:
    with meter:
        while True:
            meter.read()
            time.sleep(0.001)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (lambda: float("nan"), "nan W"),
        (lambda: 1e9, "1000000000.0 W"),
        (lambda: float("?"), "could not convert"),
    ],
)
def test_a_meter_that_goes_mad(then: object, reason: str) -> None:
    readings = [lambda: 5.0, lambda: 5.0, then]
    meter = PowerMeter("x", lambda: readings.pop(0)(), pause_s=0.001)  # type: ignore[operator]
    with pytest.raises(MeterError, match=rf"the power meter x stopped answering \({reason}"):
        _read_until_it_fails(meter)


def test_a_meter_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "MAX_SILENCE_S", 0.05)
    released = threading.Event()
    readings = [lambda: 5.0, lambda: 5.0 if released.wait(60) else 0.0]
    meter = PowerMeter("x", lambda: readings.pop(0)(), pause_s=0.001)
    try:
        with pytest.raises(MeterError, match=r"the power meter x stopped answering \(no reading for \d+ s\)"):
            _read_until_it_fails(meter)
    finally:
        released.set()


def test_a_meter_that_is_gone_before_it_is_used(system: Path) -> None:
    write_files(system, hwmon_chip(1, *ORIN_NANO))
    meter = _found()
    shutil.rmtree(system / "hwmon")
    with pytest.raises(
        MeterError, match=r"the power meter INA3221 \(VDD_IN\) cannot be read \(.*No such file"
    ):
        meter.__enter__()


def test_readings_hold_until_the_next() -> None:
    levels = iter([2.0, *[4.0] * 10_000])
    with PowerMeter("x", lambda: next(levels), pause_s=0.002) as meter:
        first = meter.read()
        while (last := meter.read()).joules < 0.05:
            pass
    assert 2 - 1e-9 <= (last.joules - first.joules) / (last.at_s - first.at_s) <= 4 + 1e-9


def test_names_from_the_system_are_shown_as_one_printable_line(system: Path) -> None:
    write_files(system, hwmon_chip(1, ("VDD\x1b[31m\nIN", 5000, 100)))
    assert _found().name == "INA3221 (VDD?[31m IN)"
