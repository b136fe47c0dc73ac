"""The plan of a search agrees with the search, and leaves no trace."""

import os
from pathlib import Path

import pytest

from edgenas import search, search_plan
from edgenas.errors import InputError, RunConflictError
from edgenas.storage.run_lock import locked

SMALL = {"device": "pi5", "max_latency": "20ms", "evaluations": 6, "finalists": 2}


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def caches() -> list[Path]:
    return list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*"))


def test_nothing_is_written_and_every_phase_is_estimated(empty: Path, image_folder: Path) -> None:
    plan = search_plan(**SMALL, data=str(image_folder), baselines=True)
    assert list(empty.iterdir()) == caches() == []
    assert [phase.name for phase in plan.phases] == [
        "images", "supernet", "search", "finalists", "baselines", "export"
    ]  # fmt: skip
    assert plan.seconds == pytest.approx(sum(phase.seconds or 0 for phase in plan.phases))
    assert all(phase.seconds and phase.seconds > 0 for phase in plan.phases)
    assert (plan.evaluations, plan.trainings) == (6, 4)
    assert plan.disk_bytes and plan.memory_bytes and plan.memory_bytes > 50e6
    data = plan.data
    assert (data.train, data.validation, data.test, data.classes) == (48, 12, 24, 3)
    assert (data.resolution, data.channels) == (16, 3)


def test_limit_and_space_are_those_of_the_search(image_folder: Path, hurried: None) -> None:
    asked = {**SMALL, "data": str(image_folder)}
    plan, result = search_plan(**asked), search(**asked)
    limits = ("max_latency_ms", "fastest_ms", "slowest_ms")
    assert [getattr(plan, name) for name in limits] == [getattr(result.constraint, name) for name in limits]
    assert (plan.device, plan.feasible) == (result.device, True)
    assert plan.provenance == result.front[0].provenance


def test_a_limit_that_nothing_meets_is_no_error_and_times_nothing() -> None:
    plan = search_plan("pi5", "0.001ms")
    assert not plan.feasible and plan.fastest_ms > plan.max_latency_ms
    assert plan.phases == () and plan.seconds is None


def test_decoded_images_are_not_decoded_again(image_folder: Path, hurried: None) -> None:
    search(**SMALL, data=str(image_folder))
    assert "images" not in {phase.name for phase in search_plan(**SMALL, data=str(image_folder)).phases}


def test_the_largest_network_comes_first_from_pretrained_weights(image_folder: Path) -> None:
    plan = search_plan(**SMALL, data=str(image_folder), resolution=32, pretrained="efficientnet-lite0")
    assert plan.pretrained == "efficientnet-lite0"
    assert "largest network" in {phase.name for phase in plan.phases}


def test_a_time_budget_is_what_it_takes(image_folder: Path) -> None:
    plan = search_plan(**SMALL, data=str(image_folder), time_budget="90s")
    assert plan.seconds == 90
    assert plan.notes == (
        "the time budget decides how much of each phase is done: seconds of phases are without it",
    )


def test_what_only_its_code_knows_is_not_estimated(image_folder: Path) -> None:
    plan = search_plan(**SMALL, data=str(image_folder), searcher="proxyless")
    (unknown,) = (phase.name for phase in plan.phases if phase.seconds is None)
    assert unknown == "supernet" and plan.seconds is None


def test_candidates_trained_alone_need_no_supernet(image_folder: Path) -> None:
    plan = search_plan(**SMALL, data=str(image_folder), evaluator="trained")
    assert "supernet" not in {phase.name for phase in plan.phases} and plan.seconds


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "nosuch"}, "unknown device 'nosuch'"),
        ({"data": "nosuch"}, "unknown data set 'nosuch'"),
        ({"searcher": "nosuch"}, "unknown searcher 'nosuch'"),
        ({"evaluator": "nosuch"}, "unknown evaluator 'nosuch'"),
        ({"run": "a b"}, "is not a valid run name"),
    ],
)
def test_what_the_search_refuses_is_refused(changes: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        search_plan(**{**SMALL, **changes})


def test_a_run_in_use_is_refused() -> None:
    with locked(Path("runs/busy")), pytest.raises(RunConflictError, match="run busy is in use by process"):
        search_plan(**SMALL, run="busy")


def test_a_run_that_exists_goes_on_and_that_is_said(image_folder: Path, hurried: None) -> None:
    asked = {**SMALL, "data": str(image_folder), "run": "mine"}
    assert search_plan(**asked).notes == ()
    search(**asked)
    assert search_plan(**asked).notes == ("run mine exists: what it has done already is not done again",)


def test_workers_are_said_to_share_the_work(image_folder: Path) -> None:
    (note,) = search_plan(**SMALL, data=str(image_folder), workers=2).notes
    assert note.startswith("2 workers share search, finalists and baselines: ")
