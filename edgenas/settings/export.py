"""The settings of `edgenas export`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from edgenas.settings.declaration import Settings
from edgenas.settings.option import Option
from edgenas.settings.shared import RunSetting
from edgenas.vocabulary import Precision

if TYPE_CHECKING:
    from pathlib import Path

    from edgenas.accuracy.dataset import Dataset
    from edgenas.accuracy.dataset_objects import LabelledImages


@dataclass(frozen=True)
class ExportSettings(Settings):
    """What to export."""

    run: RunSetting
    model: Annotated[
        str | None, Option("Id of one model; default: the whole front.", example="d5288284a9")
    ] = None
    precision: Annotated[Precision, Option("Precision to export.")] = "fp32"
    data: Annotated[
        "str | Path | Dataset | LabelledImages | None",
        Option(
            "The run's images, if they have moved since; default: where they were.",
            example="photos",
            any_object=True,
        ),
    ] = None
