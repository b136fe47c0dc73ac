"""Latency tables: whole or refused, found in order, grown without loss."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgenas.device import Device, host
from edgenas.errors import FileFormatError, InputError
from edgenas.formats import write_json
from edgenas.latency.table import (
    Calibration,
    LatencyTable,
    find_table,
    save_table,
    table_from_json,
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
        "residuals": [0.01, -0.02, 1e-05],
    }
    return make_table(KEY, OTHER_KEY, ms=0.12345, calibrations={"mbconv-16px-00000000": calibration})


def test_table_survives_a_file(make_table: Make, folders: Path) -> None:
    table = _full(make_table)
    again = table_from_json(_write(folders / "t.json", table))
    assert again.model_dump(exclude={"checksum"}) == table.model_dump(exclude={"checksum"})
    assert again.checksum == table.content_checksum()


@given(
    ms=st.floats(min_value=1e-9, max_value=1e9),
    spread=st.floats(0, 1e6),
    n=st.integers(1, 10**9),
    residuals=st.lists(st.floats(-10, 10), min_size=2, max_size=12),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_valid_table_survives(
    make_table: Make, folders: Path, ms: float, spread: float, n: int, residuals: list[float], text: str
) -> None:
    entry = {"min_ms": ms, "p50_ms": ms, "p90_ms": ms * 2, "n": n, "spread": spread, "unstable": True}
    calibration = Calibration(slope=ms, intercept_ms=-ms, overhead_ms=0.001, residuals=tuple(residuals))
    table = make_table(
        entries={KEY: entry}, host_description=text, power_mode=text, calibrations={text: calibration}
    )
    again = table_from_json(_write(folders / "t.json", table))
    assert again.entries == table.entries
    assert again.calibrations == table.calibrations
    assert again.host_description == text


def test_every_flipped_bit_is_detected(make_table: Make, folders: Path) -> None:
    path = _write(folders / "t.json", _full(make_table))
    whole, content = table_from_json(path), path.read_bytes()
    for position in range(len(content)):
        # All bits of the byte, then one of them: a rotten cell, a rotten wire.
        for mask in (0xFF, 1 << position % 8):
            flipped = bytearray(content)
            flipped[position] ^= mask
            path.write_bytes(flipped)
            try:
                read = table_from_json(path)
            except FileFormatError as error:
                assert error.path == path
                continue
            # Only where JSON means the same, such as 1e-05 and 1E-05.
            assert read == whole
            assert bytes(flipped).lower() == content


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


@pytest.mark.parametrize("field", ["min_ms", "p50_ms", "p90_ms"])
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
        ({"entries": {"conv/k3": {}}}, r"entries\.conv/k3\.min_ms: field required"),
        ({"threads": 0}, r"threads: input should be greater than or equal to 1 \(found 0\)"),
        ({"precision": "fp8"}, r"precision: input should be 'fp32', 'fp16' or 'int8' \(found 'fp8'\)"),
        ({"overhead_ms": -1}, r"overhead_ms: input should be greater than or equal to 0 \(found -1\)"),
        ({"calibrations": {"s": {"slope": 0, "intercept_ms": 0, "overhead_ms": 0, "residuals": [0, 0]}}},
         r"calibrations\.s\.slope: input should be greater than 0"),
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


@pytest.mark.parametrize("key", ["conv/k3", KEY + " ", KEY.replace("k5", "k05"), "", "../" + KEY])
def test_bad_block_keys_are_refused(make_table: Make, folders: Path, key: str) -> None:
    document = _document(make_table)
    document["entries"][key] = document["entries"][KEY]
    (folders / "t.json").write_text(json.dumps(document))
    with pytest.raises(
        FileFormatError, match=r"t\.json: entries: .* is no block key; expected such as mbconv/k5"
    ):
        table_from_json(folders / "t.json")
    with pytest.raises(ValidationError, match="is no block key"):
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
        ({"device": "toaster"}, r"device: is 'toaster', not 'cpu'; move it out of the way"),
        ({"threads": 4}, r"threads: is 4, not 1; move it out of the way"),
        ({"precision": "int8"}, r"precision: is 'int8', not 'fp32'; move it out of the way"),
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


def test_merge_keeps_old_entries(make_table: Make, device: Device) -> None:
    calibration = Calibration(slope=1, intercept_ms=0, overhead_ms=0.001, residuals=(0, 0))
    save_table(device, make_table(KEY, ms=1.0, calibrations={"one": calibration}))
    path = save_table(device, make_table(OTHER_KEY, ms=2.0, calibrations={"two": calibration}))
    merged = table_from_json(path)
    assert {key: entry.min_ms for key, entry in merged.entries.items()} == {KEY: 1.0, OTHER_KEY: 2.0}
    assert set(merged.calibrations) == {"one", "two"}
    merged = table_from_json(save_table(device, make_table(KEY, ms=3.0)))
    assert {key: entry.min_ms for key, entry in merged.entries.items()} == {KEY: 3.0, OTHER_KEY: 2.0}


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
    with pytest.raises(InputError, match=r"latency_models/cpu: cannot be written \(.+\); make it writable"):
        save_table(device, make_table(KEY))


WRITER = """
import sys
from pathlib import Path
from edgenas.device import find_device
from edgenas.latency.table import save_table, table_from_json
writer, writes = sys.argv[1:]
template = table_from_json(Path("template.json"))
(entry,) = template.entries.values()
for i in range(int(writes)):
    key = f"mbconv/k3/e3/s1/se0/relu6/{writer}-{i + 1}/8x8"
    save_table(find_device("cpu"), template.model_copy(update={"entries": {key: entry}}))
"""


def test_concurrent_writers_lose_nothing(make_table: Make, device: Device, folders: Path) -> None:
    (folders / "latency_models").mkdir()
    _write(folders / "template.json", make_table(KEY))
    writers, writes = 4, 25
    commands = [[sys.executable, "-c", WRITER, str(writer + 1), str(writes)] for writer in range(writers)]
    processes = [subprocess.Popen(command, cwd=folders) for command in commands]
    while any(process.poll() is None for process in processes):
        found = find_table(device)  # A reader sees a whole table at every moment.
        assert found is None or found[1].entries
    assert [process.returncode for process in processes] == [0] * writers
    found = find_table(device)
    assert found is not None
    assert len(found[1].entries) == writers * writes
