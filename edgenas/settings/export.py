"""The settings of `edgenas export`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typing_extensions import override

from edgenas.settings.camera import camera_setting
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Option
from edgenas.settings.shared import RunSetting
from edgenas.vocabulary import Embedding, Precision

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
