"""How a gradient search progressed: small charts over the training, one line per latency target."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from markupsafe import Markup

from edgenas.reporting.learning_curves import LearningCurves, Target
from edgenas.reporting.pictures import GREY, LIMIT, MUTED
from edgenas.reporting.plotly_style import axis, chart, style, translucent
from edgenas.reporting.smoothing import Values
from edgenas.units import format_milliseconds

_CHART_PX, _FONT_PX = 250, 11
_FEW = 12  # recorded points; lines this short need markers to be visible
_WIDE_ENOUGH = 12  # percent of the training; a shorter warm-up is shaded but not named
_LABEL_SHARE = 0.085  # share of the latency axis that a line of text takes
_PALE = 0.3


class Panel(NamedTuple):
    """A small chart, as HTML, and a sentence on how to read it."""

    title: str
    chart: Markup
    prose: str


def panels(learning: LearningCurves) -> tuple[Panel, ...]:
    """The charts, for a page that already includes plotly.js."""
    candidates: list[tuple[bool, Callable[[LearningCurves], Panel]]] = [
        (True, _latency),
        (len(learning.targets) > 1, _off_target),
        (learning.has_loss, _loss),
        (True, _entropy),
        (learning.has_multiplier, _multiplier),
        (learning.has_skips, _skips),
    ]
    return tuple(panel(learning) for wanted, panel in candidates if wanted)


def _latency(learning: LearningCurves) -> Panel:
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


def _off_target(learning: LearningCurves) -> Panel:
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


def _loss(learning: LearningCurves) -> Panel:
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


def _entropy(learning: LearningCurves) -> Panel:
    traces = [_trace(learning, target, target.curve.entropy, "%{y:.3f}") for target in learning.targets]
    layout = _layout(learning, "share of uniform")
    layout["yaxis"] |= {"range": [0, 1.04]}
    prose = (
        "1 is the uniform distribution, 0 a single architecture. It should fall steadily; a line still near 1 at the "
        "end means that the choices were hardly learnt, one that drops to 0 at once that they were made too early."
    )
    return _panel("Entropy", "entropy", traces, layout, prose)


def _multiplier(learning: LearningCurves) -> Panel:
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


def _skips(learning: LearningCurves) -> Panel:
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
    learning: LearningCurves, figures: Callable[[Target, tuple[float, ...]], Values], text: str
) -> Iterator[dict[str, Any]]:
    """Lines of the expected latencies, dots of the most likely ones; `figures` converts ms to what is drawn."""
    for target in learning.targets:
        yield _dots(learning, target, figures(target, target.curve.likeliest_ms), f"most likely {text}", 0.6)
    for target in learning.targets:
        yield _trace(learning, target, figures(target, target.curve.expected_ms), f"expected {text}")


def _trace(learning: LearningCurves, target: Target, values: Values, text: str) -> dict[str, Any]:
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
    learning: LearningCurves, target: Target, values: Values, text: str, opacity: float
) -> dict[str, Any]:
    marker = {"color": target.color, "size": 4, "opacity": opacity}
    return _trace(learning, target, values, text) | {"mode": "markers", "marker": marker}


def _target_labels(learning: LearningCurves) -> Iterator[dict[str, Any]]:
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


def _limit_label(learning: LearningCurves, high_ms: float) -> dict[str, Any]:
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


def _layout(learning: LearningCurves, title: str) -> dict[str, Any]:
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
