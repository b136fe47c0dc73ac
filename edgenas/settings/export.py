"""The settings of `edgenas export`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typing_extensions import override

from edgenas.settings.camera import camera_setting
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Option
from edgenas.settings.shared import MAX_BATCH, RunSetting
from edgenas.vocabulary import Embedding, Precision, TargetName

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
    precision: Annotated[Precision | None, Option("Precision to export; default: each model's own.")] = None
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
    embed_preprocessing: Annotated[
        Embedding,
        Option(
            "Let the file take a camera's uint8 pictures, which it scales and normalises itself: nhwc (also if given "
            "alone) or nchw.",
            alone="nhwc",
        ),
    ] = "none"
    camera: Annotated[
        str | tuple[int, int] | None,
        Option("Width and height of these pictures; default: any.", normal=camera_setting, example="640x480"),
    ] = None

    @override
    def rules(self) -> Iterator[tuple[str, str]]:
        if self.camera is not None and self.embed_preprocessing == "none":
            yield "--camera needs --embed-preprocessing", "give both, or neither"
