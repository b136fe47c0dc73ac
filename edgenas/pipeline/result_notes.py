"""What a user should know about a result beyond its figures: failures, the time budget, the trust in its latencies."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from edgenas.device import Provenance
from edgenas.exporting.guessing import guessing_text
from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.latency.profile_command import can_be_profiled, profile_command
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.storage.search_result import Constraint
from edgenas.units import counted, format_seconds

OVERRUN = 1.1
"""Multiple of its time budget above which a note says that a run took too long."""

DISAGREEMENT = 0.1
"""Median relative error of predicted latencies above which a note says so, however wide their intervals are."""

FEW_IMAGES = 50
"""Validation images that hardly tell models apart."""

log = logging.getLogger(__name__)


def notes_on(
    session: Session,
    constraint: Constraint,
    evaluated: Sequence[Evaluated],
    finalists: Sequence[FinalModel],
    front: Sequence[FinalModel],
) -> Iterator[str]:
    """The notes on a result, those recorded by the phases first."""
    yield from (event["text"] for event in session.store.events("note"))
    yield from _failures(evaluated)
    yield from _few_validation_images(session)
    yield from _no_better_than_guessing(session, front)
    yield from _time_budget(session, evaluated)
    yield from _chosen_is_missing(session, evaluated, front)
    yield from _disagreement(session, finalists)
    yield from _limit(session, constraint, front)
    yield from _no_table(session)


def _failures(evaluated: Sequence[Evaluated]) -> Iterator[str]:
    failed = [e for e in evaluated if e.accuracy is None]
    if failed:
        yield f"{counted(len(failed), 'evaluations')} failed, the first because: {failed[0].reason}"


def _few_validation_images(session: Session) -> Iterator[str]:
    count = len(session.dataset.validation.labels)
    if count < FEW_IMAGES:
        yield (
            f"accuracies on {counted(count, 'validation images')} have a standard deviation of up to "
            f"{50 / count**0.5:.0f} points: the best of several models may be the luckiest"
        )


def _no_better_than_guessing(session: Session, front: Sequence[FinalModel]) -> Iterator[str]:
    tested = {model.id: model.trained.test for model in front if model.trained}
    found = [(id_, text) for id_, test in tested.items() if (text := guessing_text(session.dataset, test))]
    if not found:
        return
    name, why = found[0]
    text = (
        f"{len(found)} of {counted(len(front), 'models')} cannot be told from guessing "
        f"({name}: {why.partition(': ')[2]}); train longer, and look at the images and their classes"
    )
    log.warning("%s", text)
    yield text


def _time_budget(session: Session, evaluated: Sequence[Evaluated]) -> Iterator[str]:
    budget_s = session.settings.time_budget_s
    if budget_s is None:
        return
    trained = session.store.last_event("supernet trained")
    epochs = f", and {trained['epochs']:.3g} epochs of the supernet" if trained else ""
    if first := session.store.last_event("largest network trained"):
        epochs += f" after {first['epochs']:.3g} of its largest network"
    wanted = session.settings.evaluations
    made = f"all {wanted}" if len(evaluated) == wanted else f"{len(evaluated)} of {wanted}"
    yield f"the time budget of {format_seconds(budget_s)} allowed {made} evaluations{epochs}"
    spent_s = sum(session.store.seconds().values())
    if spent_s > OVERRUN * budget_s:
        yield f"the run took {format_seconds(spent_s)}, more than its time budget"


def _chosen_is_missing(
    session: Session, evaluated: Sequence[Evaluated], front: Sequence[FinalModel]
) -> Iterator[str]:
    """The reason why the gradient searcher's own choice is not on the front."""
    chosen = session.chosen
    if chosen in {e.architecture.id for e in evaluated if e.accuracy is None}:
        yield f"{chosen}, learnt for the limit itself, is not on the front: its evaluation failed"
    elif chosen and front and chosen not in {model.id for model in front}:
        yield f"{chosen}, learnt for the limit itself, is not on the front: it was dropped"


def _disagreement(session: Session, finalists: Sequence[FinalModel]) -> Iterator[str]:
    """For each precision that is searched: good predictions in one would hide bad ones in another."""
    for precision, predictor in session.predictor.parts.items():
        measured = [
            each for each in finalists if each.precision == precision and each.measured_ms is not None
        ]
        if measured:
            yield from _disagreement_with(session, predictor, measured)


def _disagreement_with(
    session: Session, predictor: NetworkPredictor, measured: Sequence[FinalModel]
) -> Iterator[str]:
    """Measured latencies of exported models that differ from the predicted ones; also logged as a warning."""
    latencies = [(each.measured_ms, each.latency.low, each.latency.high) for each in measured]
    predicted = [each.latency.predicted for each in measured]
    off, low, high = np.median(np.array(latencies) / np.array(predicted)[:, None], axis=0) - 1
    if low <= off <= high and abs(off) <= DISAGREEMENT:
        return
    text = (
        f"exported models{_in_precision(session, predictor)} take {abs(off):.1%} {'more' if off > 0 else 'less'} time "
        f"than predicted (median of {len(measured)}; the interval is {low:+.1%} to {high:+.1%})"
    )
    if predictor.provenance is not Provenance.ESTIMATED:  # without a table, `_no_table` gives the hint
        command = profile_command(predictor.space, predictor.device)
        text += f"; see edgenas doctor, then profile again: {command}"
    log.warning("%s", text)
    yield text


def _limit(session: Session, constraint: Constraint, front: Sequence[FinalModel]) -> Iterator[str]:
    limit_ms = constraint.max_latency_ms
    if above := sum(model.latency.high > limit_ms for model in front):
        whose = "the interval of 1 model extends" if above == 1 else f"the intervals of {above} models extend"
        yield f"the limit applies to predicted latencies; {whose} above {limit_ms:g} ms"
    if not constraint.binding:
        slowest = session.predictor.predict(session.predictor.slowest()).text
        yield (
            f"the limit of {limit_ms:g} ms does not bind: even the slowest network of the space takes {slowest}"
        )


def _no_table(session: Session) -> Iterator[str]:
    for predictor in session.predictor.parts.values():
        device, which = predictor.device, _in_precision(session, predictor)
        if predictor.provenance is Provenance.ESTIMATED:
            command = profile_command(predictor.space, device)
            hint = f"; to measure: {command}" if can_be_profiled(device) else ""
            yield f"latencies{which} are estimated from the datasheet of {device.name}: it has no table{hint}"


def _in_precision(session: Session, predictor: NetworkPredictor) -> str:
    """Which latencies are meant, if several precisions are searched."""
    return f" in {predictor.device.precision}" if len(session.predictor.parts) > 1 else ""
