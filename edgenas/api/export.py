"""Exporting the models of a run again. Light to import: `edgenas/__init__` does (see there)."""

from typing import TYPE_CHECKING

from edgenas.progress import Progress, silent

if TYPE_CHECKING:
    from edgenas.pipeline.reexport import ExportedModel
    from edgenas.vocabulary import Precision


def export(
    run: str, model: str | None = None, precision: "Precision" = "fp32", progress: Progress = silent
) -> "list[ExportedModel]":
    """Export the trained models of a run to `exports/<run>/`, verified, with their cards.

    Args:
        run: name under `runs/`, or path of the run's folder.
        model: id of one model; None exports the whole front.
        precision: `fp32`, `fp16` or `int8` (QDQ, calibrated on training images).
        progress: told about each model.

    Raises:
        InputError: no such run or model, an unknown precision, or the data is gone or has changed.
        VerificationError: an exported fp32 file does not match the trained network.
    """
    from edgenas.pipeline.reexport import reexport

    return reexport(run, model, precision, progress)
