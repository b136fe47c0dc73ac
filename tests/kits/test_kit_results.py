"""Results of a kit: what they amount to, and what is refused in one line."""

import copy
import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.boards import BOARD, MeasuredKit

from edgenas import kit_import
from edgenas.errors import DeviceError, EdgenasError, FileFormatError, InputError
from edgenas.formats import read_json
from edgenas.kits.kit_results import KitResults, table_from_results
from edgenas.latency.table import LatencyTable
from edgenas.space import network_space_from_config

Results = dict[str, Any]


@pytest.fixture
def results(measured_kit: MeasuredKit) -> Results:
    """The results, to change freely."""
    found: Results = json.loads(measured_kit.results.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def imported(
    measured_kit: MeasuredKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Results], Any]:
    """`imported(results)`: what importing them gives, in a folder with the device's file and a folder for tables."""
    (tmp_path / "devices").symlink_to(measured_kit.folder / "devices")
    (tmp_path / "latency_models").mkdir()
    monkeypatch.chdir(tmp_path)

    def call(results: Results) -> Any:
        path = tmp_path / "results.json"
        path.write_text(json.dumps(results), encoding="utf-8")
        return kit_import(path)

    return call


def _network_keys(results: Results) -> list[str]:
    return [key for key in results["bursts"] if key.startswith("network/")]


def _block_keys(results: Results, size: int) -> list[str]:
    space = network_space_from_config(results["plan"]["space"]).at(size)
    return [block.key for block in space.blocks_of_any_channels]


def test_every_size_is_calibrated(results: Results, imported: Callable[[Results], Any]) -> None:
    found = imported(results)
    assert set(found.calibrations) == {16, 32} and found.incomplete == {}
    assert found.entries == len({*_block_keys(results, 16), *_block_keys(results, 32)})
    assert found.measured == len(results["bursts"])
    assert all(len(each.networks) == 12 for each in found.calibrations.values())


def test_fragments_become_part_of_the_table(measured_kit: MeasuredKit, results: Results) -> None:
    found = KitResults.model_validate(results)
    device = _device(measured_kit)
    table = table_from_results(found, device, Path("results.json")).table
    assert table.fragments is not None and len(table.fragments.times) == 24


def test_fragments_of_another_version_are_left_out(
    measured_kit: MeasuredKit, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    results["plan"]["fragments"]["sha256"] = "0" * 64
    report = table_from_results(
        KitResults.model_validate(results), _device(measured_kit), Path("results.json")
    )
    assert report.table.fragments is None and set(report.calibrations) == {16, 32}
    assert "fragments of networks are unknown here" in caplog.text


def _device(measured_kit: MeasuredKit) -> Any:
    from edgenas.device import Device
    from edgenas.formats import read_toml

    return read_toml(measured_kit.folder / "devices" / f"{BOARD}.toml", Device)


def test_energies_become_part_of_the_table(results: Results, imported: Callable[[Results], Any]) -> None:
    """Those of blocks, without the share of time that is the overhead of a call; negative ones too."""
    first, second, *_ = _block_keys(results, 16)
    network = _network_keys(results)[0]
    results["energies"] = {
        first: [2.0, 0.1, "INA3221 (VDD_IN)"],
        second: [-0.1, 0.1, "INA3221 (VDD_IN)"],
        network: [9.0, 1.0, "INA3221 (VDD_IN)"],
    }
    table = read_json(imported(results).table, LatencyTable)
    assert table.energies.keys() == {first, second}
    entry, energy = table.entries[first], table.energies[first]
    share = (entry.typical_ms - table.overhead_ms) / entry.typical_ms
    assert (energy.mj, energy.sd_mj) == pytest.approx((2 * share, 0.1 * share))
    assert 0 < share < 1 and energy.meter == "INA3221 (VDD_IN)"
    assert table.energies[second].mj < 0


def test_results_of_earlier_versions_have_no_energies(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    del results["energies"]
    assert read_json(imported(results).table, LatencyTable).energies == {}


def test_kits_of_earlier_versions_have_no_blocks_for_grey_images(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    for size in (16, 32):
        del results["bursts"][next(key for key in _block_keys(results, size) if "/1-" in key)]
    del results["plan"]["any_channels"]
    table = read_json(imported(results).table, LatencyTable)
    assert len(table.calibrations) == 2 and not any("/1-" in key for key in table.entries)


def test_the_table_serves_grey_images_too(results: Results, imported: Callable[[Results], Any]) -> None:
    table = read_json(imported(results).table, LatencyTable)
    space = network_space_from_config(results["plan"]["space"])
    for size in (16, 32):
        assert all(each.signature in table.calibrations for each in space.at(size).of_any_channels)
    assert len(table.calibrations) == 4


def test_a_network_that_failed_is_left_out(results: Results, imported: Callable[[Results], Any]) -> None:
    key = next(key for key in _network_keys(results) if key.startswith("network/16/"))
    del results["bursts"][key]
    results["failed"] = {key: "the runtime died (SIGSEGV)"}
    found = imported(results)
    assert len(found.calibrations[16].networks) == 11
    assert found.failed == {key: "the runtime died (SIGSEGV)"} and found.incomplete == {}


def test_a_block_that_failed_leaves_its_size_without_predictions(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    own = next(key for key in _block_keys(results, 32) if key not in _block_keys(results, 16))
    del results["bursts"][own]
    results["failed"] = {own: "the runtime died (SIGSEGV)"}
    found = imported(results)
    assert found.incomplete == {32: f"{own} could not be timed (the runtime died (SIGSEGV))"}
    assert set(found.calibrations) == {16}
    assert found.entries == len({*_block_keys(results, 16), *_block_keys(results, 32)}) - 1


def test_conditions_that_changed_are_told(results: Results, imported: Callable[[Results], Any]) -> None:
    results["before"] = [["throttling", "none now", ""]]
    results["after"] = [["throttling", "throttling", "cool the board, and wait until this is gone"]]
    found = imported(results)
    assert found.changed == (
        "throttling: throttling (before: none now); cool the board, and wait until this is gone",
    )
    assert len(found.unstable) == found.entries  # so that the next profile times them again
    assert read_json(found.table, LatencyTable).changed == found.changed


def test_without_an_empty_model_there_is_no_table(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    del results["bursts"]["overhead"]
    results["failed"] = {"overhead": "no kernel"}
    with pytest.raises(DeviceError, match=r"the board could not run the empty model \(no kernel\)"):
        imported(results)


def test_times_that_contradict_each_other_are_refused(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    for key, rounds in results["bursts"].items():
        time_ms = 1e-6 if key.startswith("network/") else 1e7
        for burst in rounds:
            burst[:3] = [time_ms] * 3
    with pytest.raises(DeviceError, match=r"contradict each other|blocks took no longer|took less time"):
        imported(results)


def test_results_of_another_machine_never_replace_the_table_of_this_one(
    results: Results, imported: Callable[[Results], Any]
) -> None:
    results["plan"]["device"] = "cpu"
    results["host"] = "0123456789ab"
    with pytest.raises(InputError, match=r"device cpu is this machine, and .+ was measured on another one"):
        imported(results)


def test_another_board_of_the_kind_replaces_the_table_with_a_warning(
    results: Results, imported: Callable[[Results], Any], caplog: pytest.LogCaptureFixture
) -> None:
    imported(results)
    assert "replaced" not in caplog.text
    results["host"] = "0123456789ab"
    imported(results)
    assert f"the table of {BOARD} was of another board or version of its runtime: replaced" in caplog.text


def _set(*place: str | int, value: Any) -> Callable[[Results], None]:
    def change(results: Results) -> None:
        inner: Any = results
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value

    return change


def _burst(position: int, value: Any) -> Callable[[Results], None]:
    return _set("bursts", "overhead", 0, position, value=value)


def _without(*place: str) -> Callable[[Results], None]:
    def change(results: Results) -> None:
        inner: Any = results
        for name in place[:-1]:
            inner = inner[name]
        del inner[place[-1]]

    return change


def _key(old: str, new: str) -> Callable[[Results], None]:
    def change(results: Results) -> None:
        results["bursts"][new] = results["bursts"].pop(old)

    return change


HOSTILE: dict[str, tuple[Callable[[Results], None], str]] = {
    "schema": (_set("schema", value="edgenas.results/2"), "schema: "),
    "unknown field": (_set("extra", value=1), "extra: "),
    "control characters in a field's name": (_set("\x1b[2J", value=1), r"\?\[2J: "),
    "a long field's name": (_set("x" * 10_000, value=1), r"x{197}\.\.\.: "),
    "control characters in a version": (
        _set("runtime_version", value="1\x1b[2J"),
        "runtime_version: must be",
    ),
    "a long version": (_set("runtime_version", value="1" * 9999), "runtime_version: must be"),
    "a line break in a description": (_set("host_description", value="a\nb"), "host_description: must be"),
    "control characters in a condition": (
        _set("before", value=[["a", "b\x07", ""]]),
        r"before\.0\.1: must be",
    ),
    "a condition of two": (_set("before", value=[["a", "b"]]), r"before\.0"),
    "NaN": (_burst(0, math.nan), r"bursts\.overhead\.0"),
    **{
        f"an energy of {energy}": (
            _set("energies", value={"overhead": energy}),
            rf"energies\.overhead.*{message}",
        )
        for energy, message in (
            ([math.nan, 1.0, "x"], "finite number"),
            ([math.inf, 1.0, "x"], "finite number"),
            ([1.0, math.nan, "x"], "finite number"),
            ([1e9, 1.0, "x"], "must be possible"),
            ([1.0, -1.0, "x"], "must be possible"),
            ([-6.0, 1.0, "x"], "not below zero by more than noise"),
            ([1.0, 1.0, "x\x1b[2J"], "must be text without control characters"),
            ([1.0, 1.0, "x" * 9999], "must be a short, printable line"),
            ([1.0, 1.0], "field required"),
            ([1.0, "much", "x"], "valid number"),
        )
    },
    "the energy of what was not timed": (
        _set("energies", value={"nothing": [1.0, 0.1, "x"]}),
        "nothing has an energy, but is not among the timed models",
    ),
    "infinity": (_burst(4, math.inf), r"bursts\.overhead\.0"),
    "minus infinity": (_burst(4, -math.inf), r"bursts\.overhead\.0"),
    "a negative time": (_burst(0, -1.0), r"bursts\.overhead\.0"),
    "zero": (_burst(0, 0.0), r"bursts\.overhead\.0"),
    "an overflowing time": (_burst(2, 1e308), r"bursts\.overhead\.0"),
    "a denormal time": (_burst(0, 5e-324), r"bursts\.overhead\.0"),
    "a time as text": (_burst(0, "fast"), r"bursts\.overhead\.0"),
    "times out of order": (_burst(0, 1000.0), r"bursts\.overhead\.0"),
    "no runs": (_burst(3, 0), r"bursts\.overhead\.0"),
    "too many runs": (_burst(3, 10**30), r"bursts\.overhead\.0"),
    "negative interruptions": (_burst(6, -1), r"bursts\.overhead\.0"),
    "no rounds": (_set("bursts", "overhead", value=[]), r"bursts\.overhead"),
    "no bursts": (_set("bursts", value={}), "bursts: "),
    "a burst of six": (_set("bursts", "overhead", 0, value=[1.0] * 6), r"bursts\.overhead\.0"),
    "bursts of an unknown model": (
        _key("overhead", "mbconv/k3/e6/s1/se0/relu6/24-40/112x112"),
        r"bursts\.\S+: is not among the kit's models|bursts\.overhead: is missing",
    ),
    "a key with control characters": (_key("overhead", "over\x1bhead"), r"bursts\.over\?head"),
    "a missing model": (_without("bursts", "overhead"), r"bursts\.overhead: is missing"),
    "failed and timed": (_set("failed", value={"overhead": "died"}), "overhead is among the timed"),
    "a reason with control characters": (_set("failed", value={"a": "\x1b]0;"}), r"failed\.a"),
    "another runtime": (_set("runtime", value="tflite"), "runtime and provider must be those of the plan"),
    "a device outside its folder": (_set("plan", "device", value="../../etc"), r"plan\.device: "),
    "an unknown device": (_set("plan", "device", value="other-board"), "unknown device 'other-board'"),
    "another power mode": (_set("plan", "power_mode", value="MAXN"), "the results are for power mode 'MAXN'"),
    "a thousand threads": (_set("plan", "threads", value=10**9), r"plan\.threads: "),
    "no batch": (_set("plan", "batch", value=0), r"plan\.batch: "),
    "another precision": (_set("plan", "precision", value="fp8"), r"plan\.precision: "),
    "an unknown space": (_set("plan", "space", value={"name": "../mbconv"}), "search space"),
    "a damaged space": (_set("plan", "space", "resolutions", value=[1, 2]), r"^space: |px"),
    "a space without end": (_set("plan", "space", "resolutions", value=[10**9]), r"^space: resolutions\.0: "),
    "a device with a long name": (_set("plan", "device", value="a" * 10**6), r"plan\.device: "),
    "a long choice": (_set("plan", "sizes", "16", "networks", 0, 0, value="x" * 10**5), r"networks\.0\.0: "),
    "a fragment of no kit": (
        lambda results: results["bursts"].update({"fragment/9.9/x": results["bursts"]["overhead"]}),
        r"bursts\.fragment/9\.9/x: is not among the kit's models",
    ),
    "a size that the space lacks": (
        _set("plan", "sizes", value={"64": {"networks": [], "random": 0}}),
        "the kit's space has no images of 64 px",
    ),
    "no size": (_set("plan", "sizes", value={}), r"plan\.sizes: "),
    "an unknown choice": (
        _set("plan", "sizes", "16", "networks", 0, 0, value="\u202e[2J"),
        r"unknown choice '\\u202e\[2J'",
    ),
    "too few choices": (_set("plan", "sizes", "16", "networks", 0, value=["id"]), "1 choices for space"),
    "more random networks than there are": (
        _set("plan", "sizes", "16", "random", value=99),
        "random must not",
    ),
    "two sizes without blocks": (_set("plan", "blocks", value=False), "there must be one image size"),
    "too many fragments": (_set("plan", "fragments", "count", value=10**6), r"plan\.fragments\.count: "),
    "a wrong checksum": (_set("manifest_sha256", value="0"), "manifest_sha256: "),
    "a negative count": (_set("retaken", value=-1), "retaken: "),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_results_are_refused_in_one_line(
    name: str, results: Results, imported: Callable[[Results], Any]
) -> None:
    change, message = HOSTILE[name]
    original = copy.deepcopy(results)
    change(results)
    assert json.dumps(results) != json.dumps(original)
    with pytest.raises(EdgenasError, match=message) as caught:
        imported(results)
    assert isinstance(caught.value, InputError | DeviceError)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1500
    assert not list(Path("latency_models").iterdir())


NO_RESULTS = {
    "nothing": "",
    "a list": "[]",
    "half": "{",
    "deep": '{"schema": ' * 50_000,
    "deeper": "[" * 1_000_000,
    "digits": '{"schema": "edgenas.results/1", "retaken": ' + "9" * 100_000 + "}",
    "surrogate": "\ud800",
    "lists": "[" + "[]," * 2_700_000 + "[]]",
    "zeros": "[" + "0," * 4_000_000 + "0]",
    "keys": "{" + ",".join(f'"{number}":[]' for number in range(600_000)) + "}",
    "too large": " " * (9 * 2**20),
}

READER = """
import os, resource, sys
from pathlib import Path
from edgenas.errors import FileFormatError
from edgenas.kits.kit_results import KitResults, read_results
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        continue
    try:
        read_results(Path(path), KitResults)
    except FileFormatError as error:
        more_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        os.write(1, f"{more_mib} {len(str(error))}\\n".encode())
    os._exit(0)
"""
"""Reads each file in a process of its own; what is imported is imported once."""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By name in `NO_RESULTS`: MiB that reading took, and length of the message."""
    folder = tmp_path_factory.mktemp("refused")
    for name, text in NO_RESULTS.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    command = [sys.executable, "-c", READER, *(str(folder / name) for name in NO_RESULTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(NO_RESULTS, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("name", NO_RESULTS)
def test_what_is_no_result_is_refused_with_little_memory(name: str, refusals: dict[str, str]) -> None:
    more_mib, length = map(int, refusals[name].split())
    assert more_mib < 200 and length < 1000


def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with path.open("wb") as file:
        file.truncate(2**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileFormatError, match=r"results\.json: is larger than 8 MiB"):
        kit_import(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
