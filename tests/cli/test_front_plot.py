"""A plot of evaluated networks in characters."""

from hypothesis import given
from hypothesis import strategies as st

from edgenas.cli.front_plot import HEIGHT, LEAST_WIDTH, MOST_WIDTH, front_of, front_plot

POINTS = [(1.0, 0.5), (4.0, 0.75), (2.0, 0.25), (5.0, 0.75)]


def test_the_front_rises_from_the_fastest_to_the_most_accurate() -> None:
    lines = front_plot(POINTS, LEAST_WIDTH)
    assert lines[0] == f"75.0% │{'●':>25}{'·':>8}"
    assert lines[HEIGHT - 1] == f"25.0% │{'·':>9}"
    assert sum(line.count("●") for line in lines) == 2
    assert lines[-2] == "      └" + "─" * 33
    assert lines[-1] == f"       1 ms{'5 ms':>29}"


def test_there_is_none_where_there_is_no_room() -> None:
    assert front_plot(POINTS, LEAST_WIDTH - 1) == []
    assert max(map(len, front_plot(POINTS, 500))) <= MOST_WIDTH


@given(
    st.lists(st.tuples(st.floats(1e-4, 1e6), st.floats(0, 1)), min_size=1, max_size=30),
    st.integers(LEAST_WIDTH, 100),
)
def test_any_networks_fit(points: list[tuple[float, float]], width: int) -> None:
    lines = front_plot(points, width)
    assert len(lines) == HEIGHT + 2 and max(map(len, lines)) <= width
    assert any("●" in line for line in lines)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_on_the_front_is_what_no_faster_one_equals(points: list[tuple[float, float]]) -> None:
    front = front_of(points)
    assert front == sorted(set(front)) and [accuracy for _, accuracy in front] == sorted(
        {a for _, a in front}
    )
    for latency, accuracy in points:
        assert any(fast <= latency and best >= accuracy for fast, best in front)
