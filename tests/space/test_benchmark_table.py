"""Published tables: which files are read, which rows count as one, and every way a file can be wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import FileFormatError
from edgenas.space import NASBench201Space, benchmark_table, nasbench_macro
from edgenas.space.benchmark_table import Column, figures_from_csv

PERCENT = Column("accuracy_percent", lambda percent: 0 <= percent <= 100, "use a number from 0 to 100")
MACRO = "arch,accuracy_percent\n00000000,45.5\n01200210,92\n"
CELL = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(content)`: a table of that content."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "t.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        MACRO,
        MACRO.replace("\n", "\r\n"),
        "\ufeff" + MACRO,
        'flops,arch,note,accuracy_percent\n1,00000000,x,45.5\n\n2,01200210,"a, b",92\n',
        MACRO.rstrip(),
        gzip.compress(MACRO.encode(), mtime=0),
    ],
    ids=["plain", "crlf", "byte order mark", "other columns, an empty line", "no newline", "gzip"],
)
def test_forms_of_a_table(write: Write, content: str | bytes) -> None:
    space = nasbench_macro()
    expected = {space.architecture_from_text("00000000"): 45.5, space.architecture_from_text("01200210"): 92}
    assert figures_from_csv(write(content), space, PERCENT) == expected


def test_rows_of_one_network_are_one_with_their_mean(write: Write) -> None:
    space = nasbench_macro()
    rows = "arch,accuracy_percent\n00000001,90\n00000100,91\n00000010,95\n"
    found = figures_from_csv(write(rows), space, PERCENT)
    assert {space.text(a): value for a, value in found.items()} == {"00000010": 92.5, "00000100": 91}


def test_the_order_is_the_file_s(write: Write) -> None:
    space = NASBench201Space()
    other = CELL.replace("skip_connect", "nor_conv_3x3")
    found = figures_from_csv(
        write(f"arch,accuracy_percent\n{other},3\n{CELL},2\n{other},5\n"), space, PERCENT
    )
    assert list(found.values()) == [4, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arch\n00000000\n", r"t\.csv: has no column accuracy_percent; name it in the first row"),
        ("name,accuracy_percent\n0,1\n", r"t\.csv: has no column arch; name it in the first row"),
        ("", r"t\.csv: has no column arch; name it in the first row"),
        ("arch,accuracy_percent\n", r"t\.csv: has no rows; give a row for each architecture"),
        (
            MACRO + "00000003,5\n",
            r"t\.csv: row 4: arch: '00000003' is not an architecture of nasbench-macro; expected 8",
        ),
        (
            MACRO + f"{CELL},5\n",
            r"t\.csv: row 4: arch: '\|none~0.*' is not an architecture of nasbench-macro",
        ),
        (MACRO + "00000000\n", r"t\.csv: row 4: has 1 of 2 columns; complete the row"),
        (MACRO + "00000000,5,6\n", r"t\.csv: row 4: has 3 of 2 columns"),
        (
            MACRO + "00000000,5%\n",
            r"t\.csv: row 4: accuracy_percent: found '5%'; use a number from 0 to 100$",
        ),
        (MACRO + "00000000,101\n", r"t\.csv: row 4: accuracy_percent: found '101'; use a number"),
        (MACRO + '00000000,"5\n', r"t\.csv: row 4: is not CSV \(unexpected end of data\); fix that row"),
        (MACRO + "0" * 200_000, r"t\.csv: row 4: is not CSV \(field larger than field limit"),
        (b"\x89PNG\x0d\x0a\x1a\x0a\xff", r"t\.csv: is neither UTF-8 CSV nor gzip; provide one of these"),
        (b"\x1f\x8bxx", r"t\.csv: is a damaged gzip file \(.+\); download it again"),
        (gzip.compress(MACRO.encode() * 99, mtime=0)[:-20], r"t\.csv: is a damaged gzip file"),
        (gzip.compress(MACRO.encode() * 99, mtime=0)[:-20] + b"\0" * 20, r"t\.csv: is a damaged gzip file"),
    ],
)
def test_wrong_tables(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as error:
        figures_from_csv(write(content), nasbench_macro(), PERCENT)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        FileFormatError, match=r"cannot be read \(.+\); (check the path|give a smaller table)"
    ):
        figures_from_csv(tmp_path / name, nasbench_macro(), PERCENT)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "unpacked"])
def test_oversized_files_are_refused(
    write: Write, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_table, "MAX_FILE_BYTES", 1000)
    with pytest.raises(FileFormatError, match=r"t\.csv: is larger than (1 KiB|64 MiB); give a smaller table"):
        figures_from_csv(write(pack(MACRO.encode() * 50)), nasbench_macro(), PERCENT)


@given(st.binary(max_size=200))
def test_any_file_is_a_table_or_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    for prefix in (b"", b"\x1f\x8b", b"arch,accuracy_percent\n", b"arch,accuracy_percent\n00000000,"):
        path.write_bytes(prefix + content)
        try:
            assert figures_from_csv(path, nasbench_macro(), PERCENT)
        except FileFormatError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
