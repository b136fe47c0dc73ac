"""The callback through which long work tells how far it is."""

import copy

from edgenas.progress import Phase, Progress, evaluations_of, named, silent, unit_of


def test_silent_drops_every_report() -> None:
    progress: Progress = silent
    progress("timing", 1, 10)
    progress("timing", 10, 10, "done")
    progress(phase="timing", done=0.5, total=1.0, detail="half")


def test_a_plain_function_will_do() -> None:
    seen: list[tuple[str, float, float, str]] = []

    def record(phase: str, done: float, total: float, detail: str = "") -> None:
        seen.append((phase, done, total, detail))

    progress: Progress = record
    progress("timing", 1, 10)
    assert seen == [("timing", 1, 10, "")]


def test_a_phase_is_a_name_that_knows_its_unit() -> None:
    phase = Phase("search", "evaluations")
    assert phase == "search" and {phase: 1}["search"] == 1 and f"{phase}" == "search"
    assert (unit_of(phase), unit_of("search"), unit_of(Phase("timing"))) == ("evaluations", "", "")
    assert unit_of(copy.deepcopy(phase)) == "evaluations"


def test_phases_of_several_things_keep_their_units() -> None:
    seen: list[tuple[str, float, float, str]] = []

    def record(phase: str, done: float, total: float, detail: str = "") -> None:
        seen.append((f"{phase}, {unit_of(phase)}", done, total, detail))

    named(record, "64 px")(Phase("loading", "models"), 1, 2, "so far")
    assert seen == [("64 px: loading, models", 1, 2, "so far")]


def test_who_wants_to_know_is_told_of_evaluated_networks() -> None:
    class Display:
        def __init__(self) -> None:
            self.seen: list[tuple[float, float]] = []

        def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
            """Nothing."""

        def evaluated(self, latency_ms: float, accuracy: float) -> None:
            self.seen.append((latency_ms, accuracy))

    display = Display()
    evaluations_of(display)(1.5, 0.25)
    evaluations_of(silent)(1.5, 0.25)
    assert display.seen == [(1.5, 0.25)]
