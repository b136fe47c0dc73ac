"""The settings of `edgenas export`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from edgenas.settings.declaration import Settings
from edgenas.settings.option import Option
from edgenas.settings.shared import MAX_BATCH, RunSetting
from edgenas.vocabulary import Precision, TargetName

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
    target: Annotated[
        TargetName | None, Option("What the files are for; default: what the run's device asks for.")
    ] = None
    batch: Annotated[
        int | None,
        Option(
            "Fix the batch to this size; default: any size, but 1 for a target that needs a fixed one.",
            at_least=1,
            at_most=MAX_BATCH,
        ),
    ] = None
    embed_labels: Annotated[bool, Option("Name the classes in the file's metadata.")] = True
    data: Annotated[
        "str | Path | Dataset | LabelledImages | None",
        Option(
            "The run's images, if they have moved since; default: where they were.",
            example="photos",
            any_object=True,
        ),
    ] = None
