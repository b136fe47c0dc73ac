"""`edgenas.report`: writing the report of a run again."""

from pathlib import Path

from edgenas.formats import Document


class ReportResult(Document):
    """Paths of the HTML report and of the picture of the front."""

    report: Path
    picture: Path


def report(run: str | Path) -> ReportResult:
    """Write the HTML report and the picture of a run again.

    Args:
        run: name under `runs/`, or path of the run's folder.

    Raises:
        InputError: no such run, or it has no result yet.
    """
    from edgenas.pipeline.judging import judge_again
    from edgenas.pipeline.report_assembly import write_report
    from edgenas.storage.run_folder import find_run
    from edgenas.storage.run_store import RunStore

    folder = find_run(str(run))
    result = folder.read_result()
    judge_again(folder, result)
    store = RunStore(folder.store)
    try:
        page = write_report(folder, store, result)
    finally:
        store.close()
    return ReportResult(report=page, picture=folder.picture)
