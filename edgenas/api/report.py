"""`edgenas.report`: writing the report of a run again, or one that compares runs."""

from contextlib import closing
from pathlib import Path

from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.progress import Progress, silent


class ReportResult(Document):
    """Paths of the HTML report and of the picture of the front, which a comparison of runs does not have."""

    report: Path
    picture: Path | None


def report(run: str | Path, *others: str | Path, progress: Progress = silent) -> ReportResult:
    """Write the HTML report and the picture of a run again; with other runs, a page that compares them all.

    The comparison is `comparison.html` in the folder of the first run.

    Args:
        run: name under `runs/`, or path of the run's folder.
        others: the same of runs to compare with it, five at most.
        progress: receives how far it is, where files must first be run on the test images.

    Raises:
        InputError: no such run, it has no result yet, or too many runs.
        RunConflictError: another process uses the run.
    """
    from edgenas.reporting.judging import judge_again
    from edgenas.reporting.report_assembly import write_report, write_run_comparison
    from edgenas.reporting.run_comparison import MOST_RUNS
    from edgenas.storage.run_folder import find_run
    from edgenas.storage.run_lock import held_if_writable
    from edgenas.storage.run_store import RunStore

    if len(others) >= MOST_RUNS:
        raise InputError(f"{1 + len(others)} runs are too many to compare", f"give at most {MOST_RUNS}")
    folder = find_run(str(run))
    if others:
        compared = [folder, *(find_run(str(other)) for other in others)]
        with held_if_writable(folder.path):
            return ReportResult(report=write_run_comparison(compared), picture=None)
    with held_if_writable(folder.path):
        result = folder.read_result()
        judge_again(folder, result, progress)
        with closing(RunStore(folder.store, writable=False)) as store:
            page = write_report(folder, store, result)
    return ReportResult(report=page, picture=folder.picture)
