"""Writing the report of a run again. Light to import: `edgenas/__init__` does (see there)."""

from pathlib import Path


def report(run: str) -> Path:
    """Write the HTML report and the picture of a run again; return the report's path.

    Args:
        run: name under `runs/`, or path of the run's folder.

    Raises:
        InputError: no such run, or it has no result yet.
    """
    from edgenas.pipeline.report_assembly import write_report
    from edgenas.storage.run_folder import find_run
    from edgenas.storage.run_store import RunStore

    folder = find_run(run)
    store = RunStore(folder.store)
    try:
        return write_report(folder, store, folder.read_result())
    finally:
        store.close()
