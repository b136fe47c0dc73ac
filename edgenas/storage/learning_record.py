"""Learning curves of the gradient searcher in a run's store, recorded when it ends or is interrupted."""

from collections.abc import Sequence

from edgenas.formats import validate
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.storage.run_store import RunStore
from edgenas.storage.search_result import Learning, TargetLearning

_ENDED, _SO_FAR = "architecture learnt", "architecture learnt so far"


def record_curves(store: RunStore, curves: Curves) -> None:
    """Record curves unless they are empty; those of a finished training take precedence."""
    if curves.done:
        name = _ENDED if curves.finished else _SO_FAR
        store.record(name, **curves.model_dump(mode="json", by_alias=True))


def recorded_curves(store: RunStore) -> Curves | None:
    """The latest curves; None without a gradient searcher.

    Raises:
        FileFormatError: the record is damaged.
    """
    payload = store.last_event(_ENDED) or store.last_event(_SO_FAR)
    return None if payload is None else validate(payload, Curves, store.path)


def learning_of(store: RunStore, chosen: str | None) -> Learning | None:
    """The last moment of the latest curves, for a result; `chosen` is the architecture learnt for the limit itself."""
    curves = recorded_curves(store)
    if curves is None:
        return None
    return Learning(finished=curves.finished, chosen=chosen, targets=tuple(map(_last, curves.targets)))


def _last(curve: Curve) -> TargetLearning:
    return TargetLearning(
        target_ms=curve.target_ms,
        expected_ms=curve.expected_ms[-1],
        most_likely_ms=curve.likeliest_ms[-1],
        price_nats_per_ms=curve.multiplier[-1],
        entropy=_share(curve.entropy),
        skip_share=_share(curve.skips),
    )


def _share(values: Sequence[float]) -> float:
    """The last value, clipped to 0..1, which rounding may exceed."""
    return min(max(values[-1], 0.0), 1.0)
