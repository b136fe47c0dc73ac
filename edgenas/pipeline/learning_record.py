"""How a gradient searcher learnt, in a run's store: recorded once it has ended, and where it was interrupted."""

from collections.abc import Sequence

from edgenas.formats import validate
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.storage.run_store import RunStore
from edgenas.storage.search_result import Learning, TargetLearning

_ENDED, _SO_FAR = "architecture learnt", "architecture learnt so far"


def record_curves(store: RunStore, curves: Curves) -> None:
    """Keep curves, if they have a moment; those of a learning that has ended count before all others."""
    if curves.done:
        name = _ENDED if curves.finished else _SO_FAR
        store.record(name, **curves.model_dump(mode="json", by_alias=True))


def recorded_curves(store: RunStore) -> Curves | None:
    """The newest curves; None where there are none, as of every other searcher.

    Raises:
        FileFormatError: the record is damaged.
    """
    payload = store.last_event(_ENDED) or store.last_event(_SO_FAR)
    return None if payload is None else validate(payload, Curves, store.path)


def learning_of(store: RunStore, chosen: str | None) -> Learning | None:
    """The last moment of the newest curves, for a result; `chosen` is what was learnt for the limit itself."""
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
    """The last one, without what rounding puts outside 0..1."""
    return min(max(values[-1], 0.0), 1.0)
