"""`edgenas.export`: exporting the models of a run in any precision."""

from typing import TYPE_CHECKING

from edgenas.settings.export import ExportSettings
from edgenas.settings.keywords import taking

if TYPE_CHECKING:
    from edgenas.pipeline.reexport import ExportResult


@taking(ExportSettings)
def export(settings: ExportSettings) -> "ExportResult":
    """Export the trained models of a run to `exports/<run>/`, verified, with their cards.

    int8 models are calibrated on training images.

    Raises:
        InputError: no such run or model, or its data are missing or have changed; another process uses the run.
        VerificationError: an exported fp32 file does not match the trained network.
    """
    from edgenas.pipeline.reexport import reexport

    return reexport(settings)
