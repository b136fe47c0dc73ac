"""A table fits into its columns, and says the same in fewer."""

from hypothesis import given
from hypothesis import strategies as st

from edgenas.cli.text_table import TextTable

DEVICES = TextTable(
    ("device", "aliases", "ms", "drawing"),
    [("jetson-orin-nano", "jetson, orin-nano", "1.25", "##"), ("cpu", "", "10", " ####")],
    wrapped=("aliases",),
    drawn=("drawing",),
)


def test_numbers_are_right_aligned_where_there_is_room() -> None:
    assert DEVICES.lines(80) == [
        "device            aliases              ms  drawing",
        "─" * 50,
        "jetson-orin-nano  jetson, orin-nano  1.25  ##",
        "cpu                                    10   ####",
    ]


def test_first_lines_are_broken_between_words() -> None:
    assert DEVICES.lines(49) == [
        "device            aliases      ms  drawing",
        "─" * 42,
        "jetson-orin-nano  jetson,    1.25  ##",
        "                  orin-nano",
        "cpu                            10   ####",
    ]


def test_then_columns_stand_closer_and_drawings_are_left_out() -> None:
    assert DEVICES.lines(39)[0] == "device           aliases     ms drawing"
    assert DEVICES.lines(38)[0] == "device            aliases      ms"
    assert DEVICES.lines(31)[0] == "device           aliases     ms"


def test_at_last_each_row_stands_in_lines_of_its_own() -> None:
    assert DEVICES.lines(30) == [
        "jetson-orin-nano",
        "  aliases: jetson, orin-nano",
        "  ms: 1.25",
        "cpu",
        "  ms: 10",
    ]


def test_cells_may_have_lines_and_columns_no_name() -> None:
    table = TextTable(("file", ""), [("x.onnx\ny.onnx", "1")])
    assert table.lines(20) == ["file", "─" * 9, "x.onnx  1", "y.onnx"]
    assert table.lines(5) == ["x.onnx y.onnx", "  1"]


def test_wide_characters_take_two_columns() -> None:
    head, rule, row = TextTable(("class", "share"), [("玫瑰花", "1")]).lines(13)
    assert (head, rule) == ("class   share", "─" * 13)
    assert row == "玫瑰花      1"


def test_a_table_without_rows_is_its_head() -> None:
    assert TextTable(("a", "b"), []).lines(80) == ["a  b", "────"]


@given(
    st.lists(st.lists(st.text("ab -", max_size=12), min_size=3, max_size=3), max_size=4),
    st.integers(1, 60),
    st.booleans(),
)
def test_no_line_of_a_table_is_wider_than_the_terminal(
    rows: list[list[str]], width: int, wrapped: bool
) -> None:
    lines = TextTable(("one", "two", "three"), rows, wrapped=("two",) if wrapped else ()).lines(width)
    if any("─" in line for line in lines):
        assert max(map(len, lines)) <= width
