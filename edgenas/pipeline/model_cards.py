"""What an exported model says of itself, from the data of its run: in its file, and in the card beside it."""

from pathlib import Path

from edgenas.accuracy.dataset import Dataset
from edgenas.exporting.camera import IMAGE, Camera
from edgenas.exporting.model_card import Card, write_card
from edgenas.exporting.onnx_metadata import FileMetadata, Origin, with_metadata
from edgenas.exporting.preprocessing import preprocessing_for, preprocessing_of
from edgenas.settings.option import name_of
from edgenas.space.onnx_graph import INPUT
from edgenas.storage.run_config import RunConfig, versions
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model
from edgenas.vocabulary import Precision


def described(content: bytes, folder: RunFolder, model: str, dataset: Dataset) -> bytes:
    """A serialised model with its metadata.

    Args:
        content: the model.
        folder: of its run.
        model: its id.
        dataset: its images, at its size and normalised as it needs.
    """
    origin = Origin(version=versions()["edgenas"], run=folder.name, model=model)
    preprocessing = preprocessing_for(dataset)
    return with_metadata(
        content, FileMetadata(classes=dataset.classes, preprocessing=preprocessing, edgenas=origin)
    )


def write_model_card(
    path: Path,
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    model: Model,
    precision: Precision,
    versions: dict[str, str],
    camera: Camera | None = None,
) -> Card:
    """Write the JSON and Markdown card beside an exported file; `camera` is what it takes if it prepares pictures."""
    normalised = model.normalisation or dataset
    return write_card(
        path,
        run=folder.name,
        device=config.device.name,
        target=config.device.at(precision).target,
        data=Path(name_of(config.settings.data)).name,
        metric=config.settings.metric,
        model=model,
        precision=precision,
        classes=dataset.classes,
        preprocessing=preprocessing_of(
            dataset.preparation, model.resolution or dataset.resolution, normalised.mean, normalised.std
        ),
        pretrained=model.began_from if model.name else config.pretrained,
        versions=versions,
        input_name=INPUT if camera is None else IMAGE,
        camera=camera,
    )
