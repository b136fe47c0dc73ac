"""Tables of several devices: which columns and rows are read, and every way a request can be wrong."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.latency.multi_device_table import latencies_from_csv
from edgenas.transfer.cell_features import WrittenCells

A = "|skip_connect~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
B = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
TABLE = f"index,arch,fast,slow_1,slow_2\n0,{A},1,10,20\n1,{B},1.5,15,30\n"
FLAGGED = f"arch,measured,accuracy_percent,latency_ms,energy_mj\n{A},1,50,1,2\n{B},0,50,3,4\n"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(content)`: a table of that content."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "t.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("content", [TABLE, gzip.compress(TABLE.encode(), mtime=0)], ids=["plain", "gzip"])
def test_the_target_and_its_references(write: Write, content: str | bytes) -> None:
    found = latencies_from_csv(write(content), WrittenCells(), "slow_1", ["slow_2", "fast", "slow_2"])
    assert (found.target, found.references) == ("slow_1", ("slow_2", "fast"))
    assert found.target_ms.tolist() == [10, 15]
    assert found.references_ms.tolist() == [[20, 1], [30, 1.5]]
    assert [WrittenCells().text(each) for each in found.architectures] == [A, B]


def test_all_others_and_none(write: Write) -> None:
    path = write(TABLE)
    assert latencies_from_csv(path, WrittenCells(), "slow_1", ["all"]).references == ("fast", "slow_2")
    assert latencies_from_csv(path, WrittenCells(), "slow_1", []).references_ms.shape == (2, 0)


def test_one_device_needs_no_name_and_only_measured_rows_count(write: Write) -> None:
    found = latencies_from_csv(write(FLAGGED), WrittenCells(), None, ["all"])
    assert (found.target, found.references, found.target_ms.tolist()) == ("latency_ms", (), [1])
    assert np.shape(found.references_ms) == (1, 0)


@pytest.mark.parametrize(
    ("target", "references", "message"),
    [
        ("slow1", (), r"unknown device 'slow1'; did you mean 'slow_1'\? known: fast, slow_1, slow_2"),
        ("fast", ["slow_1", "slow3"], r"unknown device 'slow3'; did you mean 'slow_2'\?|'slow_1'\?"),
        ("index", (), r"unknown device 'index'"),
        ("fast", ["all", "slow_1"], r"unknown device 'all'"),
    ],
)
def test_unknown_devices(write: Write, target: str, references: Sequence[str], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        latencies_from_csv(write(TABLE), WrittenCells(), target, references)


@pytest.mark.parametrize(
    ("content", "target", "references", "message"),
    [
        (
            TABLE,
            "fast",
            ["slow_1", "fast"],
            r"--target fast is also among --reference-devices; remove it there",
        ),
        (TABLE, None, (), r"t\.csv has 3 devices; give --target, one of fast, slow_1, slow_2"),
        ("arch,measured\n", None, (), r"t\.csv has 0 devices; give --target, and a column of that name"),
    ],
)
def test_requests_that_cannot_be_met(
    write: Write, content: str, target: str | None, references: Sequence[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        latencies_from_csv(write(content), WrittenCells(), target, references)


@pytest.mark.parametrize("value", ["", "nan", "inf", "0", "-1", "5ms"])
def test_wrong_latencies_also_of_references(write: Write, value: str) -> None:
    path = write(TABLE.replace("15", value))
    for target, references in (("slow_1", []), ("fast", ["slow_1"])):
        with pytest.raises(
            FileFormatError,
            match=r"t\.csv: row 3: slow_1: found '.*'; use a positive number of milliseconds$",
        ):
            latencies_from_csv(path, WrittenCells(), target, references)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,latency_ms\n0,1\n", r"t\.csv: has no column arch; name it in the first row"),
        ("", r"t\.csv: has no column arch"),
        ("arch,latency_ms\n", r"t\.csv: has no rows"),
        ("arch,latency_ms\n0120,1\n", r"t\.csv: row 2: arch: '0120' is not an architecture of nasbench201"),
        (
            FLAGGED.replace(",1,50", ",0,50"),
            r"t\.csv: measured: no row has 1; mark the rows that were measured",
        ),
        (FLAGGED.replace(",1,50", ",2,50"), r"t\.csv: row 2: measured: found '2'; use 1 for measured rows"),
        (b"\x89PNG\x0d\x0a\x1a\x0a\xff", r"t\.csv: is neither UTF-8 CSV nor gzip"),
        ("x" * 200_000, r"t\.csv: row 1: is not CSV \(field larger than field limit"),
    ],
)
def test_wrong_tables(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        latencies_from_csv(write(content), WrittenCells(), None, [])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"missing\.csv: cannot be read"):
        latencies_from_csv(tmp_path / "missing.csv", WrittenCells(), None, [])
