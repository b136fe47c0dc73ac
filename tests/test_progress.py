"""The callback through which long work tells how far it is."""

from edgenas.progress import Progress, silent


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
