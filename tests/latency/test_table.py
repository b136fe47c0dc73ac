"""Latency tables: whole or refused, found in order, grown without loss."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgenas.board import host
from edgenas.device import Device, find_device
from edgenas.device.target import searched_scheme_of
from edgenas.errors import FileFormatError, InputError
from edgenas.formats import write_json
from edgenas.latency.table import (
    Calibration,
    Inference,
    LatencyTable,
    find_table,
    journal_path,
    net_ms,
    save_table,
    table_from_json,
    table_path,
    tables_of,
)

KEY = "mbconv/k5/e6/s2/se0/relu6/24-40/112x112"
OTHER_KEY = "stem/k3/s2/relu6/3-32/224x224"
Make = Callable[..., LatencyTable]


def _write(path: Path, table: LatencyTable) -> Path:
    write_json(path, table.model_copy(update={"checksum": table.content_checksum()}))
    return path


def _full(make_table: Make) -> LatencyTable:
    calibration = {
        "slope": 0.9,
        "intercept_ms": -0.1,
        "overhead_ms": 0.001,
        "corrections_ms": {KEY: -0.002},
        "residuals": [0.01, -0.02, 1e-05],
        "networks": ["3362e74f3e", "db026bd254", "5199ff4836"],
    }
    return make_table(KEY, OTHER_KEY, ms=0.12345, calibrations={"mbconv-16px-00000000": calibration})


def test_table_survives_a_file(make_table: Make, folders: Path) -> None:
    table = _full(make_table)
    again = table_from_json(_write(folders / "t.json", table))
    assert again.model_dump(exclude={"checksum"}) == table.model_dump(exclude={"checksum"})
    assert again.checksum == table.content_checksum()


@given(
    ms=st.floats(min_value=1e-6, max_value=1e6),
    spread=st.floats(0, 1e6),
    n=st.integers(1, 10**9),
    residuals=st.lists(st.floats(-10, 10), min_size=2, max_size=12),
    text=st.text(max_size=20).filter(str.isprintable),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_valid_table_survives(
    make_table: Make, folders: Path, ms: float, spread: float, n: int, residuals: list[float], text: str
) -> None:
    entry = {
        "typical_ms": ms * 1.5,
        "min_ms": ms,
        "p50_ms": ms,
        "p90_ms": ms * 2,
        "n": n,
        "spread": spread,
        "unstable": True,
    }
    calibration = Calibration(
        slope=ms,
        intercept_ms=-ms,
        overhead_ms=0.001,
        corrections_ms={KEY: -ms},
        residuals=tuple(residuals),
        networks=(text,),
    )
    table = make_table(
        entries={KEY: entry}, host_description=text, power_mode=text, calibrations={text: calibration}
    )
    again = table_from_json(_write(folders / "t.json", table))
    assert again.entries == table.entries
    assert again.calibrations == table.calibrations
    assert again.host_description == text


@pytest.mark.parametrize("mask", [0xFF, *(1 << bit for bit in range(8))])
def test_every_damaged_byte_is_detected(make_table: Make, folders: Path, mask: int) -> None:
    """Every byte of a file with any one bit flipped, and with all of them."""
    path = _write(folders / "t.json", _full(make_table))
    whole, content = table_from_json(path), path.read_bytes()
    refused = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= mask
        path.write_bytes(flipped)
        try:
            read = table_from_json(path)
        except FileFormatError as error:
            assert error.path == path
            refused += 1
        else:
            # Only where JSON means the same: 1e-05 and 1E-05, a blank and a line's end.
            assert read == whole
            assert bytes(flipped).lower().split() == content.split()
    blanks = sum(content.count(byte) for byte in b" \n")
    assert refused >= len(content) - blanks - 2


def test_torn_file_is_refused(make_table: Make, folders: Path) -> None:
    path = _write(folders / "t.json", _full(make_table))
    content = path.read_bytes()
    for length in range(0, len(content) - 2, 37):
        path.write_bytes(content[:length])
        with pytest.raises(FileFormatError, match=r"t\.json: is not JSON"):
            table_from_json(path)


def _document(make_table: Make) -> dict[str, Any]:
    table = _full(make_table)
    return table.model_copy(update={"checksum": table.content_checksum()}).model_dump(mode="json")


BAD_TIMES = [float("nan"), float("inf"), 0, -1.5, None, "fast"]


@pytest.mark.parametrize("field", ["typical_ms", "min_ms", "p50_ms", "p90_ms"])
@pytest.mark.parametrize("value", BAD_TIMES)
def test_times_are_positive_and_finite(make_table: Make, folders: Path, field: str, value: object) -> None:
    document = _document(make_table)
    document["entries"][KEY][field] = value
    (folders / "t.json").write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=rf"t\.json: entries\.{KEY}\.{field}: input should be"):
        table_from_json(folders / "t.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "edgenas.table/2"}, r"schema: input should be 'edgenas\.table/1' \(found 'edgenas\.table/2'\)"),
        ({"entries": {"conv/k3": {}}}, r"entries\.conv/k3\.typical_ms: field required"),
        ({"sentinel_ms": 0}, r"sentinel_ms: input should be greater than or equal to 0.000001 \(found 0\)"),
        ({"disturbed": 1.01}, r"disturbed: input should be less than or equal to 1 \(found 1\.01\)"),
        ({"disturbed": -0.01}, r"disturbed: input should be greater than or equal to 0 \(found -0\.01\)"),
        ({"threads": 0}, r"threads: input should be greater than or equal to 1 \(found 0\)"),
        ({"precision": "fp8"}, r"precision: input should be 'fp32', 'fp16' or 'int8' \(found 'fp8'\)"),
        ({"overhead_ms": -1}, r"overhead_ms: input should be greater than or equal to 0 \(found -1\)"),
        ({"calibrations": {"s": {"slope": 0, "intercept_ms": 0, "overhead_ms": 0, "residuals": [0, 0]}}},
         r"calibrations\.s\.slope: input should be greater than or equal to"),
        ({"calibrations": {"s": {"slope": 1, "intercept_ms": 0, "overhead_ms": 0, "residuals": [0]}}},
         r"calibrations\.s\.residuals: tuple should have at least 2 items"),
        ({"calibrations": {"s": {"slope": 1, "intercept_ms": float("nan"), "overhead_ms": 0, "residuals": [0, 0]}}},
         r"calibrations\.s\.intercept_ms: input should be a finite number \(found nan\)"),
        ({"fastest": 1}, r"fastest: extra inputs are not permitted"),
        ({"checksum": "0" * 64}, r"checksum: does not match the content; delete it and profile the device again"),
        ({"checksum": ""}, r"checksum: does not match the content"),
        ({"host_description": "elsewhere"}, r"checksum: does not match the content"),
        ({"overhead_ms": 0.02}, r"checksum: does not match the content"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(
    make_table: Make, folders: Path, changes: dict[str, Any], message: str
) -> None:
    (folders / "t.json").write_text(json.dumps({**_document(make_table), **changes}))
    with pytest.raises(FileFormatError, match=rf"t\.json: {message}"):
        table_from_json(folders / "t.json")


ORDER = "min_ms must not be above typical_ms and p50_ms, nor p50_ms above p90_ms"


@pytest.mark.parametrize(
    ("times", "in_order"),
    [
        ((1, 1, 1, 1), True),
        ((2, 1, 1, 1), True),
        ((2, 1, 3, 4), True),
        ((0.9, 1, 1, 1), False),
        ((2, 1, 0.9, 2), False),
        ((2, 1, 3, 2.9), False),
        ((1, 1.1, 1.1, 1.1), False),
    ],
)
def test_times_are_in_order(
    make_table: Make, folders: Path, times: tuple[float, ...], in_order: bool
) -> None:
    document = _document(make_table)
    named = dict(zip(("typical_ms", "min_ms", "p50_ms", "p90_ms"), times, strict=True))
    document["entries"][KEY].update(named)
    (folders / "t.json").write_text(json.dumps(document))
    expected = r"checksum: does not match" if in_order else rf"entries\.{KEY}: {ORDER}"
    with pytest.raises(FileFormatError, match=rf"t\.json: {expected}"):
        table_from_json(folders / "t.json")
    if in_order:
        make_table(entries=document["entries"])
    else:
        with pytest.raises(ValidationError, match=ORDER):
            make_table(entries=document["entries"])


@pytest.mark.parametrize(
    ("typical_ms", "overhead_ms", "net"), [(1.5, 0.25, 1.25), (1.0, 1.0, 0.0), (1.0, 1.25, 0.0)]
)
def test_net_time_is_what_a_call_takes_beyond_an_empty_one(
    make_table: Make, typical_ms: float, overhead_ms: float, net: float
) -> None:
    entry = make_table(KEY, ms=1.0).entries[KEY].model_copy(update={"typical_ms": typical_ms})
    assert net_ms(entry, overhead_ms) == net


@pytest.mark.parametrize("key", ["conv/k3", KEY + " ", KEY.replace("k5", "k05"), "", "../" + KEY])
def test_bad_block_keys_are_refused(make_table: Make, folders: Path, key: str) -> None:
    document = _document(make_table)
    document["entries"][key] = document["entries"][KEY]
    (folders / "t.json").write_text(json.dumps(document))
    with pytest.raises(
        FileFormatError, match=r"t\.json: entries: .* is not a block key; use a form like mbconv/k5"
    ):
        table_from_json(folders / "t.json")
    with pytest.raises(ValidationError, match="is not a block key"):
        make_table(key)


def test_tables_are_frozen(make_table: Make) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_table(KEY).device = "other"


def test_no_table(device: Device) -> None:
    assert find_table(device) is None
    assert tables_of("cpu") == []


def _place(root: Path, device: Device, table: LatencyTable) -> Path:
    return _write(root / "latency_models" / device.name / f"{device.table_name}.json", table)


def test_lookup_order(
    make_table: Make, device: Device, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [folders, folders / "data" / "edgenas", folders / "shipped"]
    monkeypatch.setattr(
        "edgenas.latency.table.data_folders",
        lambda kind: [root / kind for root in roots if (root / kind).is_dir()],
    )
    for root in reversed(roots):
        path = _place(root, device, make_table(KEY, power_mode=root.name))
        found = find_table(device)
        assert found is not None
        assert found[0] == path
        assert found[1].power_mode == root.name
    assert len(tables_of("cpu")) == 3


def test_working_folder_before_the_users(make_table: Make, device: Device, folders: Path) -> None:
    user = _place(folders / "data" / "edgenas", device, make_table(KEY))
    assert find_table(device) is not None
    working = _place(folders, device, make_table(OTHER_KEY))
    found = find_table(device)
    assert found is not None
    assert found[0].resolve() == working
    assert [path.resolve() for path in tables_of("cpu")] == [working, user]


@pytest.mark.parametrize(
    "changes", [{"threads": 2}, {"precision": "fp16"}, {"batch": 4}, {"runtime": "tflite"}], ids=str
)
def test_another_operating_point_is_another_table(
    make_table: Make, device: Device, changes: dict[str, Any]
) -> None:
    save_table(device, make_table(KEY))
    assert find_table(device.model_copy(update=changes)) is None


def test_a_table_counts_for_its_own_power_mode(make_table: Make, device: Device, folders: Path) -> None:
    modes = {device.power_mode: 1000.0, "slow": 500.0}
    usual = device.model_copy(update={"power_modes": modes})
    slow = usual.model_copy(update={"power_mode": "slow"})
    save_table(usual, make_table(KEY, power_mode=usual.power_mode))
    assert find_table(usual) is not None
    assert find_table(slow) is None
    save_table(slow, make_table(OTHER_KEY, power_mode="slow"))
    for each, key in ((usual, KEY), (slow, OTHER_KEY)):
        found = find_table(each)
        assert found is not None and list(found[1].entries) == [key]
    assert len(tables_of("cpu")) == 2
    assert journal_path(usual, "a-space") != journal_path(slow, "a-space")
    _place(folders / "data" / "edgenas", slow, make_table(KEY, power_mode=usual.power_mode))
    assert find_table(slow) is None


def test_foreign_host_is_ignored_with_a_warning(
    make_table: Make, device: Device, folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = _place(folders / "data" / "edgenas", device, make_table(KEY))
    foreign = make_table(KEY, host="0" * 12, host_description="somebody's laptop")
    _place(folders, device, foreign)
    with caplog.at_level(logging.WARNING):
        found = find_table(device)
    assert found is not None
    assert found[0] == own
    assert "was measured on another machine (somebody's laptop): ignored" in caplog.text


def test_a_board_s_table_may_come_from_its_own_host(make_table: Make, device: Device, folders: Path) -> None:
    board = device.model_copy(update={"reach": "none"})
    _place(folders, board, make_table(KEY, host="0" * 12))
    assert find_table(board) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "toaster"}, r"device: is 'toaster', not 'cpu'; move the file elsewhere"),
        ({"threads": 4}, r"threads: is 4, not 1; move the file elsewhere"),
        ({"precision": "int8"}, r"precision: is 'int8', not 'fp32'; move the file elsewhere"),
        ({"provider": "CUDAExecutionProvider"}, r"provider: is 'CUDAExecutionProvider', not 'CPUExecution"),
    ],
)
def test_a_table_under_the_wrong_name_is_refused(
    make_table: Make, device: Device, folders: Path, changes: dict[str, Any], message: str
) -> None:
    _place(folders, device, make_table(KEY, **changes))
    with pytest.raises(FileFormatError, match=message):
        find_table(device)


def test_save_goes_to_the_users_folder_or_the_working_one(
    make_table: Make, device: Device, folders: Path
) -> None:
    assert save_table(device, make_table(KEY)).is_relative_to(folders / "data" / "edgenas" / "latency_models")
    (folders / "latency_models").mkdir()
    path = save_table(device, make_table(KEY))
    assert path == Path("latency_models/cpu/onnxruntime-cpu-fp32-t1-b1.json")
    found = find_table(device)
    assert found is not None and found[0] == path


def test_the_journal_lies_beside_its_table_and_is_none(
    make_table: Make, device: Device, folders: Path
) -> None:
    for folder in (None, folders / "latency_models"):
        if folder:
            folder.mkdir()
        journal = journal_path(device, "a-space")
        assert journal.parent == table_path(device).parent
        assert journal.name.startswith(table_path(device).stem)
        journal.parent.mkdir(parents=True)
        journal.write_text("{}")
        assert find_table(device) is None
        assert tables_of("cpu") == []
    points = [device, *(device.model_copy(update=change) for change in ({"threads": 2}, {"batch": 2}))]
    assert len({journal_path(each, "a-space") for each in points}) == 3
    assert journal_path(device, "a-space") != journal_path(device, "another")


def test_merge_keeps_old_entries(make_table: Make, device: Device) -> None:
    calibration = Calibration(slope=1, intercept_ms=0, overhead_ms=0.001, residuals=(0, 0))
    save_table(device, make_table(KEY, ms=1.0, calibrations={"one": calibration}))
    path = save_table(device, make_table(OTHER_KEY, ms=2.0, calibrations={"two": calibration}))
    merged = table_from_json(path)
    assert {key: entry.min_ms for key, entry in merged.entries.items()} == {KEY: 1.0, OTHER_KEY: 2.0}
    assert set(merged.calibrations) == {"one", "two"}
    merged = table_from_json(save_table(device, make_table(KEY, ms=3.0)))
    assert {key: entry.min_ms for key, entry in merged.entries.items()} == {KEY: 3.0, OTHER_KEY: 2.0}


def test_inferred_blocks_do_not_replace_measured_ones(
    make_table: Make, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    calibration = Calibration(slope=1, intercept_ms=0, overhead_ms=0.001, residuals=(0, 0))
    inference = Inference(
        block_ms={KEY: 1.0},
        calibration=calibration,
        uncertainties=(),
        sentinel_ms=0.1,
        low_factor=0.9,
        high_factor=1.1,
        noise=0.01,
        views={},
        known_devices=(),
    )
    save_table(device, make_table(KEY, calibrations={"one": calibration}))
    save_table(device, make_table(inferences={"two": inference}))
    assert not caplog.messages
    path = save_table(device, make_table(inferences={"one": inference}))
    assert caplog.messages == [
        f"{path} has measured blocks of this space: predictions use them, not what was inferred now"
    ]


def test_energies_are_kept_with_their_entries(make_table: Make, device: Device) -> None:
    """A block that is timed again without a power meter keeps what was known of its energy."""
    energies = {key: {"mj": 1.5, "sd_mj": 0.1, "meter": "RAPL (package-0)"} for key in (KEY, OTHER_KEY)}
    save_table(device, make_table(KEY, OTHER_KEY, energies=energies))
    again = {KEY: {"mj": -0.01, "sd_mj": 0.1, "meter": "RAPL (package-0)"}}
    merged = table_from_json(save_table(device, make_table(KEY, energies=again)))
    assert {key: each.mj for key, each in merged.energies.items()} == {KEY: -0.01, OTHER_KEY: 1.5}
    merged = table_from_json(save_table(device, make_table(KEY)))
    assert {key: each.mj for key, each in merged.energies.items()} == {KEY: -0.01, OTHER_KEY: 1.5}
    another = {OTHER_KEY: {"mj": 9.0, "sd_mj": 0.1, "meter": "PMIC (VDD_CORE)"}}
    merged = table_from_json(save_table(device, make_table(OTHER_KEY, energies=another)))
    assert merged.energies.keys() == {OTHER_KEY}  # what one meter counts, the other may not
    save_table(device, make_table(KEY, runtime_version="2"))
    assert table_from_json(table_path(device)).energies == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mj": float("nan")}, "mj"),
        ({"mj": float("inf")}, "mj"),
        ({"mj": 1e308}, "mj"),
        ({"sd_mj": -0.1}, "sd_mj"),
        ({"meter": "a\nb"}, "meter"),
    ],
)
def test_wrong_energies_are_refused(make_table: Make, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_table(KEY, energies={KEY: {"mj": 1.5, "sd_mj": 0.1, "meter": "RAPL", **change}})


def test_an_energy_without_an_entry_is_refused(make_table: Make) -> None:
    energy = {"mj": 1.5, "sd_mj": 0.1, "meter": "RAPL"}
    with pytest.raises(ValidationError, match=f"{OTHER_KEY} has an energy, but is not among the entries"):
        make_table(KEY, energies={OTHER_KEY: energy})


def test_a_table_without_energies_has_the_checksum_of_earlier_versions(make_table: Make) -> None:
    table = make_table(KEY)
    energies = {KEY: {"mj": 1.5, "sd_mj": 0.1, "meter": "RAPL"}}
    assert table.content_checksum() == make_table(KEY, energies={}).content_checksum()
    assert table.content_checksum() != make_table(KEY, energies=energies).content_checksum()


@pytest.mark.parametrize("changes", [{"host": "0" * 12}, {"runtime_version": "0.9"}], ids=str)
def test_merge_drops_what_another_machine_or_runtime_measured(
    make_table: Make, device: Device, changes: dict[str, Any]
) -> None:
    calibration = Calibration(slope=1, intercept_ms=0, overhead_ms=0.001, residuals=(0, 0))
    save_table(device, make_table(KEY, calibrations={"one": calibration}, **changes))
    merged = table_from_json(save_table(device, make_table(OTHER_KEY)))
    assert set(merged.entries) == {OTHER_KEY}
    assert merged.calibrations == {}
    assert merged.host == host.fingerprint()


def test_a_broken_table_is_not_overwritten(make_table: Make, device: Device) -> None:
    path = save_table(device, make_table(KEY))
    path.write_text("{")
    with pytest.raises(FileFormatError, match="is not JSON"):
        save_table(device, make_table(OTHER_KEY))
    assert path.read_text() == "{"


def _block_the_folder(root: Path) -> None:
    root.parent.mkdir(parents=True)
    root.write_text("a file")


def _block_the_lock(root: Path) -> None:
    (root / "cpu" / ".onnxruntime-cpu-fp32-t1-b1.json.lock").mkdir(parents=True)


@pytest.mark.parametrize("block", [_block_the_folder, _block_the_lock])
def test_unwritable_folder(
    make_table: Make, device: Device, folders: Path, block: Callable[[Path], None]
) -> None:
    block(folders / "data" / "edgenas" / "latency_models")
    with pytest.raises(
        InputError, match=r"latency_models/cpu: cannot be written \(.+\); choose a writable folder"
    ):
        save_table(device, make_table(KEY))


WRITER = """
import sys, time
from pathlib import Path
from edgenas.device import find_device
from edgenas.latency.table import save_table, table_from_json
writer, writes = sys.argv[1:]
template, device = table_from_json(Path("template.json")), find_device("cpu")
(entry,) = template.entries.values()
(calibration,) = template.calibrations.values()
Path(f"ready-{writer}").touch()
while not Path("go").exists():
    time.sleep(0.01)
for i in range(int(writes)):
    while i + 1 == int(writes) and not Path("seen").exists():  # until a reader has read amid the writing
        time.sleep(0.01)
    key = f"mbconv/k3/e3/s1/se0/relu6/{writer}-{i + 1}/8x8"
    new = entry.model_copy(update={"n": 100 * int(writer) + i})
    changes = {"entries": {key: new}, "calibrations": {f"{writer}-{i}": calibration}}
    save_table(device, template.model_copy(update=changes))
"""


def test_concurrent_writers_lose_nothing(make_table: Make, device: Device, folders: Path) -> None:
    (folders / "latency_models").mkdir()
    calibration = Calibration(slope=1, intercept_ms=0, overhead_ms=0.001, residuals=(0, 0))
    _write(folders / "template.json", make_table(KEY, calibrations={"template": calibration}))
    writers, writes = 4, 25
    commands = [[sys.executable, "-c", WRITER, str(writer + 1), str(writes)] for writer in range(writers)]
    processes = [subprocess.Popen(command, cwd=folders) for command in commands]
    while len(list(folders.glob("ready-*"))) < writers:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)
    (folders / "go").touch()  # all at once
    sizes = [0]
    while any(process.poll() is None for process in processes):
        found = find_table(device)  # A reader sees a whole table at every moment; a torn one would raise.
        sizes.append(len(found[1].entries) if found else 0)
        if 1 < sizes[-1] < writers * writes:
            (folders / "seen").touch()
    assert [process.returncode for process in processes] == [0] * writers
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 1  # it did read amid the writing
    path = table_path(device)
    _check_all_written(path, writers, writes)
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}


def _check_all_written(path: Path, writers: int, writes: int) -> None:
    numbers = [(writer + 1, i) for writer in range(writers) for i in range(writes)]

    def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    document = json.loads(path.read_text(), object_pairs_hook=no_doubles)
    expected = {f"mbconv/k3/e3/s1/se0/relu6/{w}-{i + 1}/8x8": 100 * w + i for w, i in numbers}
    assert {key: entry["n"] for key, entry in document["entries"].items()} == expected
    assert set(document["calibrations"]) == {f"{w}-{i}" for w, i in numbers}


def _inference(**changes: Any) -> dict[str, Any]:
    calibration = {
        "slope": 1.0,
        "intercept_ms": 0.1,
        "overhead_ms": 0.0,
        "residuals": [0.01, -0.01],
        "references": [{"choices": [choice], "measured_ms": 1.5} for choice in "ab"],
    }
    fields: dict[str, Any] = {
        "block_ms": {KEY: 0.5, OTHER_KEY: 0.0},
        "calibration": calibration,
        "uncertainties": [0.0, 0.1],
        "sentinel_ms": 0.125,
        "low_factor": 0.9,
        "high_factor": 1.1,
        "noise": 0.02,
        "views": {"a": 0.75, "b": 0.25},
        "known_devices": ["one"],
    }
    return {**fields, **changes}


def test_an_inference_survives_a_file_and_counts_in_the_checksum(make_table: Make, folders: Path) -> None:
    plain = make_table(KEY)
    table = make_table(KEY, inferences={"one": _inference()})
    assert table.content_checksum() != plain.content_checksum()
    assert table_from_json(_write(folders / "t.json", table)).inferences == table.inferences


def test_a_table_written_before_there_were_inferences_is_read(make_table: Make, folders: Path) -> None:
    path = _write(folders / "t.json", make_table(KEY))
    document = json.loads(path.read_text())
    del document["inferences"]
    path.write_text(json.dumps(document))
    assert table_from_json(path).inferences == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"block_ms": {KEY: -0.1}},
        {"low_factor": 1.1},
        {"high_factor": 0.9},
        {"noise": -1},
        {"uncertainties": [-0.1, 0.0]},
        {"sentinel_ms": 0},
    ],
    ids=str,
)
def test_an_inference_that_cannot_be_is_refused(make_table: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        make_table(inferences={"one": _inference(**changes)})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_reference_has_its_uncertainty(make_table: Make, count: int) -> None:
    with pytest.raises(ValidationError, match=rf"{count} uncertainties for 2 references; .* one for each"):
        make_table(inferences={"one": _inference(uncertainties=[0.0] * count)})


def test_measured_figures_are_looked_at_before_inferred_ones(make_table: Make) -> None:
    measured = {"slope": 0.9, "intercept_ms": 0.0, "overhead_ms": 0.0, "residuals": [0.01, -0.01]}
    table = make_table(
        KEY, calibrations={"one": measured}, inferences={"one": _inference(), "two": _inference()}
    )
    slopes = [each.slope if each else None for each in map(table.calibration_of, ("one", "two", "three"))]
    assert slopes == [0.9, 1.0, None]
    sentinels = [table.sentinel_of(space) for space in ("one", "two", "three")]
    assert sentinels == [table.sentinel_ms, _inference()["sentinel_ms"], table.sentinel_ms]
    assert _inference()["sentinel_ms"] != table.sentinel_ms, "the test could not fail"


def test_merge_keeps_inferences_until_their_space_is_measured(make_table: Make, device: Device) -> None:
    measured = {"slope": 0.9, "intercept_ms": 0.0, "overhead_ms": 0.0, "residuals": [0.01, -0.01]}
    save_table(device, make_table(inferences={"one": _inference(), "two": _inference()}))
    merged = table_from_json(save_table(device, make_table(KEY, calibrations={"one": measured})))
    assert (set(merged.calibrations), set(merged.inferences)) == ({"one"}, {"two"})
    again = table_from_json(save_table(device, make_table(inferences={"two": _inference(noise=0.5)})))
    assert again.inferences["two"].noise == 0.5
    assert set(again.entries) == {KEY}
    elsewhere = table_from_json(save_table(device, make_table(KEY, runtime_version="2.0")))
    assert elsewhere.inferences == {}


# What ONNX files are predicted from.


def _timed(**changes: Any) -> dict[str, Any]:
    time = {
        "name": "0.0/inverted",
        "pieces": {"dense/Conv/blocked 9 8 7 6 5": 2},
        "typical_ms": 0.5,
        **changes,
    }
    return {"channel_block": 16, "overhead_ms": 0.01, "times": [time]}


def test_fragments_survive_a_file_and_count_in_the_checksum(make_table: Make, folders: Path) -> None:
    table = make_table(fragments=_timed())
    assert table_from_json(_write(folders / "t.json", table)).fragments == table.fragments
    assert table.content_checksum() != make_table().content_checksum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"typical_ms": 0}, "typical_ms"),
        ({"pieces": {}}, "pieces"),
        ({"pieces": {"dense/Conv 9 8 7 6 5": 0}}, "pieces"),
        ({"pieces": {"dense/Conv 9 8 7 6": 1}}, "pieces"),
        ({"pieces": {"dense/Conv 9 8 7 6 0": 1}}, "pieces"),
        ({"pieces": {"dense/Conv/odd 9 8 7 6 5": 1}}, "pieces"),
        ({"pieces": {"dense/Conv 9 8 -7 6 5": 1}}, "pieces"),
    ],
    ids=str,
)
def test_fragments_that_cannot_be_are_refused(
    make_table: Make, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        make_table(fragments=_timed(**changes))


def test_fragments_of_earlier_versions_are_read_and_keep_their_checksum(
    make_table: Make, folders: Path
) -> None:
    table = make_table(fragments=_timed())
    path = _write(folders / "t.json", table)
    written = json.loads(path.read_text())
    assert written["fragments"].keys() == {"channel_block", "overhead_ms", "times"}
    fragments = table_from_json(path).fragments
    assert fragments is not None and fragments.is_of_earlier_version
    now = make_table(fragments={**_timed(), "channel_block": None, "blocked": True}).fragments
    assert now is not None and not now.is_of_earlier_version
    assert now.model_dump().keys() == {"blocked", "overhead_ms", "times"}


@given(
    measured_at=st.none() | st.text(max_size=20).filter(str.isprintable),
    sentinel_ms=st.none() | st.floats(min_value=1e-6, max_value=1e6),
    blocked=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fragments_have_a_date_and_a_pace_of_their_own_or_the_checksum_of_earlier_versions(
    make_table: Make, folders: Path, measured_at: str | None, sentinel_ms: float | None, blocked: bool
) -> None:
    without = {"blocked": blocked, "overhead_ms": 0.01, "times": _timed()["times"]}
    of_its_own = {"measured_at": measured_at, "sentinel_ms": sentinel_ms}
    table = make_table(fragments={**without, **of_its_own})
    path = _write(folders / "t.json", table)
    fragments = table_from_json(path).fragments
    assert fragments == table.fragments
    assert fragments is not None and fragments.model_dump(include=set(of_its_own)) == {
        name: value for name, value in of_its_own.items() if value is not None
    }
    is_earlier = measured_at is sentinel_ms is None
    assert (table.content_checksum() == make_table(fragments=without).content_checksum()) == is_earlier


def test_its_history_dates_fragments_where_their_date_is_known(make_table: Make) -> None:
    now = "2026-01-01T00:00:00+00:00"
    assert make_table(KEY).history == f"1 block, {now}"
    dated = {**_timed(), "measured_at": "2025-12-31T00:00:00+00:00"}
    assert make_table(KEY, fragments=_timed()).history == f"1 block, {now}; 1 fragment of networks"
    history = make_table(KEY, fragments=dated).history
    assert history == f"1 block, {now}; 1 fragment of networks, 2025-12-31T00:00:00+00:00"


def test_merge_keeps_fragments_of_the_same_machine_and_runtime(make_table: Make, device: Device) -> None:
    save_table(device, make_table(fragments=_timed()))
    kept = table_from_json(save_table(device, make_table(KEY)))
    assert kept.fragments is not None and set(kept.entries) == {KEY}
    newer = table_from_json(save_table(device, make_table(fragments=_timed(typical_ms=0.7))))
    assert newer.fragments is not None and newer.fragments.times[0].typical_ms == 0.7
    assert table_from_json(save_table(device, make_table(KEY, runtime_version="2.0"))).fragments is None


def test_a_table_of_models_that_were_quantised_in_another_way_is_ignored(
    make_table: Make, folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device = find_device("cpu", precision="int8")
    table = make_table(device="cpu", precision="int8", host=host.fingerprint(), quantisation="tensorrt")
    path = table_path(device)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, table)
    assert find_table(device) is None
    assert "not quantised as now" in caplog.text and "profile again" in caplog.text
    _write(path, table.model_copy(update={"quantisation": searched_scheme_of(device).name}))
    assert find_table(device) is not None
