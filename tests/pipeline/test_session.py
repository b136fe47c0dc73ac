"""What phases ask a session for."""

from dataclasses import replace

import pytest

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.storage.run_store import Evaluation


def test_a_note_is_kept_once(session: Session) -> None:
    for text in ("one", "two", "one"):
        session.note(text)
    assert session.store.events("note") == [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize(("evaluator", "kind"), [("supernet", "supernet"), ("trained", "validation")])
def test_the_evaluator_decides_what_the_searchs_accuracies_are(
    evaluator: str, kind: str, session: Session
) -> None:
    config = session.config.with_settings(evaluator=evaluator)
    assert replace(session, config=config).search_kind == kind


def test_what_the_store_holds_is_known_in_order(session: Session, candidates: list[Evaluated]) -> None:
    slow = replace(candidates[1], accuracy=None, reason="out of memory", seconds=1.5)
    made = [slow, candidates[0]]
    for one in made:
        session.store.add(
            Evaluation(
                one.architecture.id,
                one.architecture.choices,
                one.accuracy,
                "supernet",
                Latency(one.latency_ms, 0.1, 9.0, Provenance.ESTIMATED),
                one.reason,
                one.seconds,
            )
        )
    assert list(session.stored_evaluations().items()) == [(one.architecture.id, one) for one in made]
