"""Writing the card of an exported model from the data of its run."""

from pathlib import Path

from edgenas.accuracy.dataset import Dataset
from edgenas.exporting.model_card import Card, Preprocessing, write_card
from edgenas.settings.option import name_of
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import Model
from edgenas.vocabulary import Precision


def write_model_card(
    path: Path,
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    model: Model,
    precision: Precision,
    versions: dict[str, str],
) -> Card:
    """Write the JSON and Markdown card beside an exported file."""
    normalised = model.normalisation or dataset
    return write_card(
        path,
        run=folder.name,
        device=config.device.name,
        target=config.device.target,
        data=Path(name_of(config.settings.data)).name,
        metric=config.settings.metric,
        model=model,
        precision=precision,
        classes=dataset.classes,
        preprocessing=Preprocessing(
            resolution=model.resolution or dataset.resolution,
            mean=normalised.mean,
            std=normalised.std,
            layout="NCHW, RGB, float32" if dataset.channels == 3 else "NCHW, grey, float32",
        ),
        pretrained=model.began_from if model.name else config.pretrained,
        versions=versions,
    )
