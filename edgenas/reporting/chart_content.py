"""What a chart of the page shows: plain data, which `page/plot.js` draws."""

from dataclasses import dataclass
from typing import Literal

from edgenas.reporting.series import Range
from edgenas.reporting.smoothing import Values

Mark = Literal["dot", "disc", "ring", "diamond", "tick", "line", "steps", "area"]
"""How a trace is drawn: points of a shape (`disc`, `ring` and `diamond` hold a number), or what joins them."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis.

    Args:
        title: what it shows, with the unit.
        range: the part that is seen.
        whole: a larger part that can be seen on demand, if there is one.
        logarithmic: whether equal distances are equal ratios.
        suffix: unit of the ticks, such as ` %`.
        percent: whether values are shares, of which the ticks show percents.
    """

    title: str
    range: Range
    whole: Range | None = None
    logarithmic: bool = False
    suffix: str = ""
    percent: bool = False


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Points drawn alike; all sequences are as long as `x`, or empty.

    Args:
        name: in the legend; empty to be left out of it.
        mark: how it is drawn.
        style: class in `report.css`, which colours it.
        x: positions; of gaps, `y` is None.
        y: see `x`.
        low: ends of the interval of each point, along `bars`.
        high: see `low`.
        bars: the axis of the intervals.
        ids: of networks, by which charts are linked.
        numbers: of models.
        hover: what is told of each point, in lines; the first is its title.
        colour: `#rrggbb`, in place of that of the style.
    """

    mark: Mark
    x: Values
    y: Values
    name: str = ""
    style: str = ""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    bars: Literal["x", "y"] = "x"
    ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    hover: tuple[str, ...] = ()
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight line at a value of one axis; `style` and `colour` as of a trace."""

    axis: Literal["x", "y"]
    at: float
    label: str = ""
    style: str = ""
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A text beside a point, moved to where it covers the least."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart.

    Args:
        name: of its place on the page.
        label: what it shows, for people who do not see it.
        height: px.
        x: horizontal axis.
        y: vertical axis.
        traces: first ones are drawn below.
        rules: lines across.
        names: texts beside points.
        shade: end of the part of the horizontal axis that is shaded, and its name.
        note: a remark in the corner.
        selects: whether its models can be chosen and its networks marked.
    """

    name: str
    label: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    height: int = 420
    rules: tuple[Rule, ...] = ()
    names: tuple[Name, ...] = ()
    shade: tuple[float, str] | None = None
    note: str = ""
    selects: bool = False
