"""How a gradient search progressed: small charts over the training, one line per latency target."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgenas.reporting.chart_content import Axis, Chart, Mark, Rule, Trace
from edgenas.reporting.learning_curves import LearningCurves, Target
from edgenas.reporting.series import Range
from edgenas.reporting.smoothing import Values
from edgenas.units import format_milliseconds

_FEW = 12  # recorded points; lines this short need markers to be visible
_ROOM = 0.05


class Panel(NamedTuple):
    """A small chart, and a sentence on how to read it."""

    title: str
    chart: Chart
    prose: str


def panels(learning: LearningCurves) -> tuple[Panel, ...]:
    """The charts, and what they say."""
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
    limit = f"limit {format_milliseconds(learning.limit_ms)}"
    low, high = learning.latency_range_ms
    targets = tuple(
        Rule(axis="y", at=target.curve.target_ms, style="target", colour=target.color)
        for target in learning.targets
    )
    drawn = learning.limit_ms <= high
    return Panel(
        "Latency",
        _chart(
            learning,
            "latency",
            Axis(title="predicted latency, ms", range=(low, high)),
            _latency_traces(learning, lambda target, values: values, "{:.3g} ms"),
            (*targets, Rule(axis="y", at=learning.limit_ms, label=limit, style="limit"))
            if drawn
            else targets,
            "" if drawn else f"{limit}: beyond this chart",
        ),
        prose,
    )


def _off_target(learning: LearningCurves) -> Panel:
    prose = (
        "The same in percent of the target, with large early deviations cropped: all should end within a few percent "
        "of zero; dots still far apart at the end mean that the choices have not settled."
    )
    if learning.curves.latency_loss != "constraint":
        prose = "The same in percent of the target, with large early deviations cropped."
    axis = Axis(title="off target", range=learning.off_percent_range, suffix=" %")
    traces = _latency_traces(learning, Target.off_percent, "{:+.1f} %")
    return Panel("Latency off its target", _chart(learning, "off-target", axis, traces, _ZERO), prose)


def _loss(learning: LearningCurves) -> Panel:
    prose = (
        "The loss of sampled paths on validation batches (dots; smoothed: lines) should fall until the end, lowest for "
        "slow targets; a loss that rises again suggests that the distribution moves faster than the weights can "
        "follow."
    )
    smooth = [learning.smooth_loss(target) for target in learning.targets]
    traces = [
        *(
            _trace(learning, target, target.curve.loss, "{:.3f}", "dot", "pale")
            for target in learning.targets
        ),
        *(
            _trace(learning, target, losses, "{:.3f}, smoothed", "line")
            for target, losses in zip(learning.targets, smooth, strict=True)
        ),
    ]
    losses = [target.curve.loss for target in learning.targets]
    axis = Axis(title="cross entropy, nats", range=_range_of(losses))
    return Panel("Validation loss", _chart(learning, "loss", axis, traces), prose)


def _entropy(learning: LearningCurves) -> Panel:
    prose = (
        "1 is the uniform distribution, 0 a single architecture. It should fall steadily; a line still near 1 at the "
        "end means that the choices were hardly learnt, one that drops to 0 at once that they were made too early."
    )
    axis = Axis(title="share of uniform", range=(0.0, 1.04))
    return Panel(
        "Entropy",
        _chart(learning, "entropy", axis, _lines(learning, lambda each: each.curve.entropy, "{:.3f}")),
        prose,
    )


def _multiplier(learning: LearningCurves) -> Panel:
    prose = (
        "The multiplier that keeps latency at its target should level off, higher for fast targets and below zero "
        "where latency would otherwise be too low; one that still climbs or swings at the end has not converged."
    )
    axis = Axis(
        title="nats per ms", range=_range_of([(0.0, *target.curve.multiplier) for target in learning.targets])
    )
    lines = _lines(learning, lambda each: each.curve.multiplier, "{:.3g} nats per ms")
    return Panel("Price of a millisecond", _chart(learning, "multiplier", axis, lines, _ZERO), prose)


def _skips(learning: LearningCurves) -> Panel:
    prose = (
        "Share of skippable layers that are skipped: higher for fast targets. If all lines run to 100 %, skipping has "
        "collapsed: it won because it is easy to learn, not because it is accurate."
    )
    axis = Axis(title="share of layers", range=(0.0, 104.0), suffix=" %")
    lines = _lines(learning, lambda each: each.skips_percent, "{:.1f} %")
    return Panel("Skipped layers", _chart(learning, "skips", axis, lines), prose)


_ZERO = (Rule(axis="y", at=0.0, style="zero"),)


def _latency_traces(
    learning: LearningCurves, figures: Callable[[Target, tuple[float, ...]], Values], text: str
) -> list[Trace]:
    """Lines of the expected latencies, dots of the most likely ones; `figures` converts ms to what is drawn."""
    likeliest = (
        _trace(learning, target, figures(target, target.curve.likeliest_ms), f"most likely {text}", "dot")
        for target in learning.targets
    )
    expected = (
        _trace(learning, target, figures(target, target.curve.expected_ms), f"expected {text}", "line")
        for target in learning.targets
    )
    return [*likeliest, *expected]


def _lines(learning: LearningCurves, values: Callable[[Target], Values], text: str) -> list[Trace]:
    return [_trace(learning, target, values(target), text, "line") for target in learning.targets]


def _trace(
    learning: LearningCurves, target: Target, values: Values, text: str, mark: Mark, style: str = ""
) -> Trace:
    known = [(100 * done, y) for done, y in zip(learning.curves.done, values, strict=True) if y is not None]
    return Trace(
        mark=mark,
        style=" ".join(filter(None, ["learnt", style, "short" if len(known) <= _FEW else ""])),
        colour=target.color,
        x=tuple(x for x, _ in known),
        y=tuple(y for _, y in known),
        hover=tuple(f"target {target.name}\n{x:.0f} % of the training: {text.format(y)}" for x, y in known),
    )


def _chart(
    learning: LearningCurves,
    name: str,
    y: Axis,
    traces: list[Trace],
    rules: tuple[Rule, ...] = (),
    note: str = "",
) -> Chart:
    warm_up = 100 * learning.curves.warm_up
    return Chart(
        name=f"learning-{name}",
        label=f"{y.title} over the training",
        height=250,
        x=Axis(title="share of the training", range=(0.0, 100.0), suffix=" %"),
        y=y,
        traces=tuple(traces),
        rules=rules,
        shade=(warm_up, "warm-up") if warm_up else None,
        note=note,
    )


def _range_of(rows: Sequence[Values]) -> Range:
    """The range of some values, with room around them; (0, 1) of none."""
    values = [value for row in rows for value in row if value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = _ROOM * (high - low) or _ROOM
    return low - room, high + room
