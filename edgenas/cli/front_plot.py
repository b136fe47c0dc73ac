"""Evaluated networks as a plot of characters: accuracy over latency."""

from collections.abc import Sequence

from edgenas.units import format_milliseconds

ON_FRONT, BEHIND = "●", "·"

LEAST_WIDTH, MOST_WIDTH, HEIGHT = 40, 72, 8
"""Columns and rows of a plot, which has two rows more for the axis."""

Point = tuple[float, float]
"""Latency in milliseconds, and accuracy, 0..1."""


def front_plot(points: Sequence[Point], width: int) -> list[str]:
    """Lines of a plot, none if there is no room for it.

    Args:
        points: evaluated networks; at least one.
        width: columns of the terminal.
    """
    if width < LEAST_WIDTH:
        return []
    latencies, accuracies = zip(*points, strict=True)
    low, high = f"{min(accuracies):.1%}", f"{max(accuracies):.1%}"
    margin = max(len(low), len(high))
    columns = min(width, MOST_WIDTH) - margin - 2
    rows = [[" "] * columns for _ in range(HEIGHT)]
    front = front_of(points)
    for mark, marked in ((BEHIND, points), (ON_FRONT, front)):
        for latency, accuracy in marked:
            row = _place(accuracy, max(accuracies), min(accuracies), HEIGHT)
            rows[row][_place(latency, min(latencies), max(latencies), columns)] = mark
    left = [high, *[""] * (HEIGHT - 2), low]
    fastest, slowest = format_milliseconds(min(latencies)), format_milliseconds(max(latencies))
    return [
        *(f"{label:>{margin}} │{''.join(row)}".rstrip() for label, row in zip(left, rows, strict=True)),
        f"{'':{margin}} └{'─' * columns}",
        f"{'':{margin}}  {fastest}{slowest:>{columns - len(fastest)}}",
    ]


def front_of(points: Sequence[Point]) -> list[Point]:
    """Those more accurate than all that are no slower, fastest first."""
    front: list[Point] = []
    for latency, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((latency, accuracy))
    return front


def _place(value: float, first: float, last: float, places: int) -> int:
    """Which of so many places a value has between two others."""
    return round((value - first) / (last - first) * (places - 1)) if last != first else 0
