"""`edgenas.search`: the main job."""

import time
from typing import TYPE_CHECKING

from edgenas.settings.keywords import taking
from edgenas.settings.search import SearchSettings

if TYPE_CHECKING:
    from edgenas.api.search_run import Run


@taking(SearchSettings)
def search(settings: SearchSettings) -> "Run":
    """Search, train and export the networks worth deploying on a device.

    Everything is stored in `runs/<run>`, and the same call resumes an interrupted search. Ctrl-C ends it cleanly with
    the results so far (`status` is then "interrupted").

    `device`, `data`, `space`, `searcher` and `evaluator` take a name or an object: a `Device`, a `Dataset` or images
    and labels (arrays, a data set as of torchvision or Hugging Face), a `SearchSpace`, a function that makes a
    `Searcher` from a problem and a seed (such as its class), and an `Evaluator` or a function that makes one from
    space, data set and seed.

    With several image sizes in `resolution`, a `Dataset` has images of the largest; smaller ones are resized from them
    as decoded pictures are, and the cards of such models describe what follows after that size.

    Raises:
        InputError: a setting, the data or a table cannot be used (see `edgenas.errors`).
        InfeasibleError: no architecture of the space is within the limit.
        DeviceError: a runtime needed on this machine cannot be used.
    """
    started_s = time.monotonic()
    from edgenas.inputs.spaces import PROBE_CLASSES, PROBE_RESOLUTION, channels_for, space_for_images
    from edgenas.inputs.targets import device_for

    device = device_for(settings)
    if isinstance(settings.space, str):
        sizes = settings.resolutions or (PROBE_RESOLUTION,)
        space_for_images(settings, sizes, PROBE_CLASSES, channels_for(settings))
    # What follows loads torch and images, so invalid settings are reported first.
    from edgenas.api.search_run import run_of
    from edgenas.pipeline.phases import run_session

    given_space = None if isinstance(settings.space, str) else settings.space
    return run_of(run_session(settings, device, started_s), space=given_space)
