"""How a gradient search progressed: small charts over the training, one line per latency target."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup
from plotly.colors import sample_colorscale

from edgenas.reporting.pictures import BASELINE, FRONT, GREY, LIMIT, MEASURED, MUTED
from edgenas.reporting.plotly_style import axis, chart, style, translucent
from edgenas.reporting.report_content import figure_ms
from edgenas.reporting.series import Range
from edgenas.reporting.smoothing import Values, smoothed
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.units import format_milliseconds

_CHART_PX, _FONT_PX = 250, 11
_SCALE = [MEASURED, FRONT, BASELINE]  # fast to slow; distinct from the red of the limit
_FEW = 12  # recorded points; lines this short need markers to be visible
_MARGIN = 0.06
# A limit further above the curves than this share of their span is stated in text, not drawn.
_ROOM_FOR_LIMIT = 0.5
_WIDE_ENOUGH = 12  # percent of the training; a shorter warm-up is shaded but not named
_LEAST_OFF = 5.0  # percent; the axis reaches at least this far to either side
_LABEL_SHARE = 0.085  # share of the latency axis that a line of text takes
_PALE = 0.3


class Panel(NamedTuple):
    """A small chart, as HTML, and a sentence on how to read it."""

    title: str
    chart: Markup
    prose: str


@dataclass(frozen=True)
class Target:
    """One latency target, its recorded curve (at least one point) and its colour."""

    curve: Curve
    color: str

    @property
    def name(self) -> str:
        """Such as `12.0 ms`."""
        return f"{figure_ms(self.curve.target_ms)} ms"

    def off_percent(self, values: Sequence[float]) -> tuple[float, ...]:
        """Deviation of latencies (ms) from the target, in percent of it; negative below."""
        return tuple(100 * (value / self.curve.target_ms - 1) for value in values)

    @property
    def skips_percent(self) -> tuple[float, ...]:
        """Share of skippable layers that are skipped."""
        return tuple(100 * share for share in self.curve.skips)

    def end_text(self, values: Sequence[float]) -> str:
        """The last latency and its deviation from the target: `12.1 ms, +0.8 %`."""
        return f"{figure_ms(values[-1])} ms, {signed(self.off_percent(values)[-1], 1)} %"


@dataclass(frozen=True)
class LearningCharts:
    """The charts of a gradient search with at least one recorded point.

    Args:
        curves: what was recorded.
        limit_ms: the run's latency limit.
    """

    curves: Curves
    limit_ms: float

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, fastest first, coloured in that order."""
        curves = self.curves.targets
        last = len(curves) - 1
        colors = sample_colorscale(_SCALE, [i / last if last else 0.5 for i in range(len(curves))])
        return tuple(Target(curve, color) for curve, color in zip(curves, colors, strict=True))

    @property
    def has_loss(self) -> bool:
        """Whether any validation loss was recorded."""
        return any(loss is not None for curve in self.curves.targets for loss in curve.loss)

    @property
    def has_multiplier(self) -> bool:
        """Whether the price of latency was learnt as a multiplier."""
        return any(any(curve.multiplier) for curve in self.curves.targets)

    @property
    def has_skips(self) -> bool:
        """Whether any layers may be skipped."""
        return any(any(curve.skips) for curve in self.curves.targets)

    @property
    def price_decimals(self) -> int:
        """Decimals for a column of prices: three digits of the largest."""
        largest = max(abs(curve.multiplier[-1]) for curve in self.curves.targets)
        return max(0, 2 - math.floor(math.log10(largest))) if largest else 0

    def smooth_loss(self, target: Target) -> Values:
        """The validation losses of a target, smoothed; None where no path was drawn."""
        return smoothed(self.curves.done, target.curve.loss)

    def last_loss(self, target: Target) -> float | None:
        """The last smoothed loss; None where no path was ever drawn."""
        return next((loss for loss in reversed(self.smooth_loss(target)) if loss is not None), None)

    @property
    def latency_range_ms(self) -> Range:
        """The latency axis: all curves and targets, and the limit if it is near."""
        curves = self.curves.targets
        shown = [ms for curve in curves for ms in (*curve.expected_ms, *curve.likeliest_ms, curve.target_ms)]
        low, high = min(shown), max(shown)
        if self.limit_ms <= high + _ROOM_FOR_LIMIT * max(high - low, 0.1 * high):
            low, high = min(low, self.limit_ms), max(high, self.limit_ms)
        room = _MARGIN * max(high - low, 0.1 * high)
        return max(0.0, low - room), high + room

    @property
    def off_percent_range(self) -> Range:
        """The axis of the deviation from the target: covers the second half of the learning."""
        half = (1 + self.curves.warm_up) / 2
        begin = min(bisect_left(self.curves.done, half), len(self.curves.done) - 1)
        late = [
            percent
            for target in self.targets
            for values in (target.curve.expected_ms, target.curve.likeliest_ms)
            for percent in target.off_percent(values[begin:])
        ]
        low, high = min(-_LEAST_OFF, *late), max(_LEAST_OFF, *late)
        return low - _MARGIN * (high - low), high + _MARGIN * (high - low)

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The charts, for a page that has plotly.js."""
        drawn: list[tuple[bool, Callable[[LearningCharts], Panel]]] = [
            (True, _latency),
            (len(self.targets) > 1, _off_target),
            (self.has_loss, _loss),
            (True, _entropy),
            (self.has_multiplier, _multiplier),
            (self.has_skips, _skips),
        ]
        return tuple(panel(self) for wanted, panel in drawn if wanted)


def signed(value: float, decimals: int) -> str:
    """A value with its sign: `+0.8`; no sign for a rounded zero; no decimals from 1,000 on: `+10,095`."""
    places = 0 if abs(value) >= 1000 else decimals
    rounded = round(value, places) + 0.0  # not -0.0
    return f"{rounded:{'+' if rounded else ''},.{places}f}".replace("-", "\N{MINUS SIGN}")


def _latency(learning: LearningCharts) -> Panel:
    traces = [*_latency_traces(learning, lambda target, values: values, "%{y:,.3~r} ms")]
    low, high = learning.latency_range_ms
    layout = _layout(learning, "predicted latency, ms")
    layout["margin"] |= {"r": 72}
    layout["yaxis"] |= {"range": [low, high]}
    layout["annotations"] += [*_target_labels(learning), _limit_label(learning, high)]
    layout["shapes"] += [
        _line(target.curve.target_ms, {"color": target.color, "width": 1, "dash": "6px,4px"})
        for target in learning.targets
    ]
    if learning.limit_ms <= high:
        layout["shapes"].append(_line(learning.limit_ms, {"color": LIMIT, "width": 1.6, "dash": "dash"}))
    prose = (
        "Both the latency expected under the distribution (solid) and that of the most likely architecture (dots) "
        "should settle at their target (thin dashes), none above the limit; one that ends off its target has not "
        "learnt the price of a millisecond."
    )
    if learning.curves.latency_loss != "constraint":
        prose = (
            "Expected latency (solid) and that of the most likely architecture (dots). The weight of latency was set "
            "by hand, so nothing ties them to their targets (thin dashes); the final selection enforces the limit."
        )
    return _panel("Latency", "latency", traces, layout, prose)


def _off_target(learning: LearningCharts) -> Panel:
    traces = [*_latency_traces(learning, Target.off_percent, "%{y:+.1f} %")]
    layout = _layout(learning, "off target")
    layout["yaxis"] |= {"range": list(learning.off_percent_range), "ticksuffix": " %"}
    layout["shapes"].append(_line(0, {"color": MUTED, "width": 1.2}))
    prose = (
        "The same in percent of the target, with large early deviations cropped: all should end within a few percent "
        "of zero; dots still far apart at the end mean that the choices have not settled."
    )
    if learning.curves.latency_loss != "constraint":
        prose = "The same in percent of the target, with large early deviations cropped."
    return _panel("Latency off its target", "off-target", traces, layout, prose)


def _loss(learning: LearningCharts) -> Panel:
    traces = [_dots(learning, target, target.curve.loss, "%{y:.3f}", _PALE) for target in learning.targets]
    traces += [
        _trace(learning, target, learning.smooth_loss(target), "%{y:.3f}, smoothed") | {"mode": "lines"}
        for target in learning.targets
    ]
    layout = _layout(learning, "cross entropy, nats")
    prose = (
        "The loss of sampled paths on validation batches (dots; smoothed: lines) should fall until the end, lowest for "
        "slow targets; a loss that rises again suggests that the distribution moves faster than the weights can "
        "follow."
    )
    return _panel("Validation loss", "loss", traces, layout, prose)


def _entropy(learning: LearningCharts) -> Panel:
    traces = [_trace(learning, target, target.curve.entropy, "%{y:.3f}") for target in learning.targets]
    layout = _layout(learning, "share of uniform")
    layout["yaxis"] |= {"range": [0, 1.04]}
    prose = (
        "1 is the uniform distribution, 0 a single architecture. It should fall steadily; a line still near 1 at the "
        "end means that the choices were hardly learnt, one that drops to 0 at once that they were made too early."
    )
    return _panel("Entropy", "entropy", traces, layout, prose)


def _multiplier(learning: LearningCharts) -> Panel:
    traces = [
        _trace(learning, target, target.curve.multiplier, "%{y:,.3~r} nats per ms")
        for target in learning.targets
    ]
    layout = _layout(learning, "nats per ms")
    layout["yaxis"] |= {"separatethousands": True, "exponentformat": "none"}
    layout["shapes"].append(_line(0, {"color": MUTED, "width": 1.2}))
    prose = (
        "The multiplier that keeps latency at its target should level off, higher for fast targets and below zero "
        "where latency would otherwise be too low; one that still climbs or swings at the end has not converged."
    )
    return _panel("Price of a millisecond", "multiplier", traces, layout, prose)


def _skips(learning: LearningCharts) -> Panel:
    traces = [_trace(learning, target, target.skips_percent, "%{y:.1f} %") for target in learning.targets]
    layout = _layout(learning, "share of layers")
    layout["yaxis"] |= {"range": [0, 104], "ticksuffix": " %"}
    prose = (
        "Share of skippable layers that are skipped: higher for fast targets. If all lines run to 100 %, skipping has "
        "collapsed: it won because it is easy to learn, not because it is accurate."
    )
    return _panel("Skipped layers", "skips", traces, layout, prose)


def _panel(title: str, name: str, traces: list[dict[str, Any]], layout: dict[str, Any], prose: str) -> Panel:
    return Panel(
        title, Markup(chart(f"learning-{name}", traces, layout, library=False, buttons=False)), prose
    )


def _latency_traces(
    learning: LearningCharts, figures: Callable[[Target, tuple[float, ...]], Values], text: str
) -> Iterator[dict[str, Any]]:
    """Lines of the expected latencies, dots of the most likely ones; `figures` converts ms to what is drawn."""
    for target in learning.targets:
        yield _dots(learning, target, figures(target, target.curve.likeliest_ms), f"most likely {text}", 0.6)
    for target in learning.targets:
        yield _trace(learning, target, figures(target, target.curve.expected_ms), f"expected {text}")


def _trace(learning: LearningCharts, target: Target, values: Values, text: str) -> dict[str, Any]:
    few = sum(value is not None for value in values) <= _FEW
    return {
        "type": "scatter",
        "name": target.name,
        "mode": "lines+markers" if few else "lines",
        "x": [100 * done for done in learning.curves.done],
        "y": list(values),
        "connectgaps": True,
        "line": {"color": target.color, "width": 2},
        "marker": {"color": target.color, "size": 6},
        "hovertemplate": f"target {target.name}<br>%{{x:.0f}} % of the training: {text}<extra></extra>",
    }


def _dots(
    learning: LearningCharts, target: Target, values: Values, text: str, opacity: float
) -> dict[str, Any]:
    marker = {"color": target.color, "size": 4, "opacity": opacity}
    return _trace(learning, target, values, text) | {"mode": "markers", "marker": marker}


def _target_labels(learning: LearningCharts) -> Iterator[dict[str, Any]]:
    """Target names at the right edge, slowest first; a name that would overlap another is left out."""
    low, high = learning.latency_range_ms
    above = float("inf")
    for target in reversed(learning.targets):
        if above - target.curve.target_ms >= _LABEL_SHARE * (high - low):
            above = target.curve.target_ms
            yield _text(target.name, target.color) | {
                "xref": "paper",
                "x": 1.01,
                "y": above,
                "xanchor": "left",
            }


def _limit_label(learning: LearningCharts, high_ms: float) -> dict[str, Any]:
    label = _text(f"limit {format_milliseconds(learning.limit_ms)}", LIMIT) | {
        "xref": "paper",
        "x": 0.01,
        "xanchor": "left",
    }
    if learning.limit_ms <= high_ms:
        return label | {"y": learning.limit_ms, "yanchor": "bottom"}
    return label | {
        "text": f"{label['text']}: beyond this chart",
        "yref": "paper",
        "y": 1,
        "yanchor": "top",
    }


def _layout(learning: LearningCharts, title: str) -> dict[str, Any]:
    warm_up = 100 * learning.curves.warm_up
    shade = {"type": "rect", "layer": "below", "x0": 0, "x1": warm_up, "yref": "paper", "y0": 0, "y1": 1,
             "fillcolor": translucent(GREY, 0.13), "line": {"width": 0}}  # fmt: skip
    named = _text("warm-up", MUTED) | {"x": warm_up / 2, "yref": "paper", "y": 1, "yanchor": "bottom"}
    return {
        **style(_CHART_PX, _FONT_PX),
        "showlegend": False,
        "margin": {"l": 44, "r": 22, "t": 18, "b": 40},
        "xaxis": axis("share of the training") | {"range": [0, 101], "ticksuffix": " %", "dtick": 20},
        "yaxis": axis(title),
        "shapes": [shade] if warm_up else [],
        "annotations": [named] if warm_up >= _WIDE_ENOUGH else [],
    }


def _line(y: float, line: dict[str, Any]) -> dict[str, Any]:
    """A horizontal line through the whole chart."""
    return {
        "type": "line",
        "layer": "below",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "line": line,
    }


def _text(text: str, color: str) -> dict[str, Any]:
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": color}}
