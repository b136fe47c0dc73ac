"""What phases ask a session for."""

from dataclasses import replace

import pytest

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import predictor_from_device
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.pipeline.session import Session
from edgenas.pretrained.source import PretrainedRecord
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import Problem
from edgenas.space import mbconv
from edgenas.space.resolution_space import ResolutionSpace
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


def test_the_whole_network_is_that_of_the_largest_size_within_the_limit(session: Session) -> None:
    assert session.whole_network is None  # it begins from random weights
    space = ResolutionSpace(mbconv(16, 3), (16, 24, 32))
    predictor = by_resolution(space, lambda each: predictor_from_device(each, session.config.device))
    record = PretrainedRecord(name="p", licence="MIT", origin="here", sha256="0" * 64)
    whole = [space.joined(size, space.at(size).largest) for size in space.resolutions]
    for limited in (0, 1, 2):
        problem = Problem(space, predictor, predictor.predict(whole[limited]).predicted * 1.001)
        found = replace(
            session, predictor=predictor, problem=problem, pretrained=PretrainedWeights(record, {})
        )
        assert found.whole_network == whole[limited]
    tight = replace(found, problem=Problem(space, predictor, predictor.predict(whole[0]).predicted * 0.9))
    assert tight.whole_network is None
