"""`edgenas.search_plan`: what a search would do here, and how long it would take; nothing is trained or written."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgenas.device import Provenance
from edgenas.formats import Document
from edgenas.settings.keywords import taking
from edgenas.settings.option import name_of
from edgenas.settings.search import SUPERNET, TRAINED, SearchSettings
from edgenas.settings.shared import AUTO
from edgenas.units import counted
from edgenas.vocabulary import Precision

if TYPE_CHECKING:
    from edgenas.api.search_costs import Workload
    from edgenas.device import Device
    from edgenas.inputs.data_outline import DataOutline
    from edgenas.latency.network_predictor import ArchitecturePredictor
    from edgenas.searchers.problem import Problem

MODEL_BYTES, REPORT_BYTES = 8, 5 * 2**20
"""On disk: of each parameter of a finalist, in its weights and its file; of a report."""

EXPORT_S = 0.5
"""Of exporting and verifying a model."""


class PlannedPhase(Document):
    """A phase of a search, what it does, and the seconds it is estimated to take; None where only its code knows."""

    name: str
    what: str
    seconds: float | None


class PlannedData(Document):
    """The images of a search; of a folder, before unreadable ones are left out."""

    name: str
    train: int
    validation: int
    test: int
    classes: int
    channels: int
    resolution: int


class SearchPlan(Document):
    """What a search would do.

    Attributes:
        choices: combinations of choices in the space; some of them are the same network.
        feasible: whether any network is predicted within the limit. If none is, no times are estimated.
        trainings: of networks on their own, beside that of the supernet.
        seconds: of all phases, or the time budget; None where a phase is unknown.
        disk_bytes: what the run, its exports and decoded images take.
        memory_bytes: what training takes at most.
    """

    device: str
    data: PlannedData
    space: str
    choices: int
    precisions: tuple[Precision, ...]
    pretrained: str | None
    searcher: str
    max_latency_ms: float
    fastest_ms: float
    slowest_ms: float
    provenance: Provenance
    feasible: bool
    evaluations: int
    trainings: int
    phases: tuple[PlannedPhase, ...] = ()
    seconds: float | None = None
    disk_bytes: int | None = None
    memory_bytes: int | None = None
    notes: tuple[str, ...] = ()


@taking(SearchSettings)
def search_plan(settings: SearchSettings) -> SearchPlan:
    """Say what `edgenas.search` would do with the same settings, and estimate time, disk and memory.

    A few training steps on images of noise are timed. Settings, device, tables and the images' folder are checked as
    the search does; images are not decoded, and nothing is downloaded, trained or written.

    Raises:
        InputError: a setting, the data or a table cannot be used (see `edgenas.errors`).
    """
    from edgenas.inputs.data_outline import outline_of
    from edgenas.inputs.precisions import precisions_for
    from edgenas.inputs.spaces import space_for_images
    from edgenas.inputs.targets import device_for
    from edgenas.pipeline.early_checks import check_before_images
    from edgenas.pipeline.evaluators import custom_evaluator_maker
    from edgenas.pipeline.preparing import beginning_for, make_searcher_for, predictor_of, sizes_for
    from edgenas.searchers.problem import Problem, objectives_from_text

    device = device_for(settings)
    make_searcher_for(settings)
    custom_evaluator_maker(settings)
    # Weights are not read, as that may download them.
    check_before_images(settings.with_changes(pretrained=AUTO), device)
    precisions = precisions_for(settings, device)
    device = device.at(precisions[0])
    asked = sizes_for(settings, 0)[-1] or None
    outline = outline_of(settings, asked)
    sizes = sizes_for(settings, outline.resolution)
    space = space_for_images(settings, sizes, outline.classes, outline.channels)
    predictor = predictor_of(settings, device, space, precisions)
    objectives = objectives_from_text(settings.objective)
    problem = Problem(
        predictor.space, predictor, settings.max_latency_ms, objectives, outdone=predictor.outdone
    )
    beginning = beginning_for(settings, sizes[0])
    name = None if beginning is None else beginning.name
    plan = _plan(settings, device, outline, problem, predictor, name)
    if not plan.feasible:
        return plan
    from edgenas.api.search_costs import Workload
    from edgenas.pipeline.configuration import recipes_for

    is_elastic = beginning is not None and beginning.is_elastic
    recipes = recipes_for(settings, outline.train, beginning is not None, is_elastic)
    return _with_costs(plan, settings, Workload(device, problem, outline, *recipes))


def _plan(
    settings: SearchSettings,
    device: "Device",
    outline: "DataOutline",
    problem: "Problem",
    predictor: "ArchitecturePredictor",
    pretrained: str | None,
) -> SearchPlan:
    """What is known without timing anything."""
    fastest_ms, slowest_ms = (problem.latency_ms(end) for end in (predictor.fastest(), predictor.slowest()))
    counted = {name: getattr(outline, name) for name in PlannedData.model_fields}
    return SearchPlan(
        device=device.name,
        data=PlannedData(**counted),
        space=predictor.networks.signature,
        choices=math.prod(map(len, predictor.space.variables)),
        precisions=tuple(predictor.parts),
        pretrained=pretrained,
        searcher=name_of(settings.searcher),
        max_latency_ms=settings.max_latency_ms,
        fastest_ms=fastest_ms,
        slowest_ms=slowest_ms,
        provenance=predictor.provenance,
        feasible=fastest_ms <= settings.max_latency_ms,
        evaluations=settings.evaluations,
        trainings=_finalists(settings) + _baselines(settings, pretrained is not None),
        notes=_notes(settings),
    )


def _notes(settings: SearchSettings) -> tuple[str, ...]:
    from edgenas.storage.run_folder import RunFolder
    from edgenas.storage.run_names import RUNS

    if settings.run is None or not RunFolder(RUNS / settings.run).document.is_file():
        return ()
    return (f"run {settings.run} exists: what it has done already is not done again",)


def _finalists(settings: SearchSettings) -> int:
    return min(settings.finalists, settings.evaluations)


def _baselines(settings: SearchSettings, is_pretrained: bool) -> int:
    """How many networks of others are trained; some may turn out to be too slow."""
    from edgenas.pipeline.baselines import USUAL_NAMES
    from edgenas.settings.baselines import USUAL
    from edgenas.space.baselines import BASELINES

    usual = 1 + len(USUAL_NAMES) if is_pretrained else len(BASELINES)
    return sum(usual if name == USUAL else 1 for name in settings.baseline_names)


def _with_costs(plan: SearchPlan, settings: SearchSettings, work: "Workload") -> SearchPlan:
    from edgenas.api.search_costs import checkpoint_bytes

    phases, budget_s, notes = tuple(_phases(plan, settings, work)), settings.time_budget_s, list(plan.notes)
    known = [phase.seconds for phase in phases if phase.seconds is not None]
    seconds = sum(known) if len(known) == len(phases) else None
    if budget_s is not None:
        notes.append(
            "the time budget decides how much of each phase is done: seconds of phases are without it"
        )
        seconds = budget_s
    if settings.worker_count > 1:
        notes.append(
            f"{settings.worker_count} workers share search, finalists and baselines: their seconds are those of one "
            "process, and memory is needed by each"
        )
    models = plan.trainings * MODEL_BYTES * work.networks.parameters(work.typical)
    disk = work.outline.cache_bytes + checkpoint_bytes(work.networks) + models + REPORT_BYTES
    changes = {
        "phases": phases,
        "seconds": seconds,
        "disk_bytes": disk,
        "memory_bytes": work.memory_bytes(),
        "notes": tuple(notes),
    }
    return plan.model_copy(update=changes)


def _phases(plan: SearchPlan, settings: SearchSettings, work: "Workload") -> Iterator[PlannedPhase]:
    from edgenas.pipeline.evaluators import PROXY_SHARE
    from edgenas.pipeline.final_measuring import measuring_seconds

    outline, finalists = work.outline, _finalists(settings)
    if outline.decoding_s:
        count = outline.train + outline.validation + outline.test
        yield PlannedPhase(
            name="images", what=f"decode {count} to {outline.resolution} px", seconds=outline.decoding_s
        )
    image_s = work.image_seconds()
    judged_s = image_s * (outline.validation + outline.test)
    probes = settings.tune == "classifier"
    trained_s = image_s * outline.train if probes else work.finalist_seconds()
    if settings.evaluator == SUPERNET and not probes:
        yield from _supernet_phases(settings, work)
    each_s = {SUPERNET: work.evaluation_seconds(), TRAINED: PROXY_SHARE * trained_s}
    evaluated_s = trained_s if probes else each_s.get(str(settings.evaluator))
    yield PlannedPhase(
        name="search",
        what=f"evaluate {counted(plan.evaluations, 'networks')}",
        seconds=None if evaluated_s is None else plan.evaluations * evaluated_s,
    )
    yield PlannedPhase(
        name="finalists",
        what=f"train {counted(finalists, 'networks')}"
        + ("" if probes else f" for {counted(work.finalist_recipe.epochs, 'epochs')}"),
        seconds=finalists * (trained_s + judged_s),
    )
    if baselines := plan.trainings - finalists:
        inherited = work.inherited_epochs(finalists) / work.finalist_recipe.epochs
        yield PlannedPhase(
            name="baselines",
            what=f"train {baselines} networks of others",
            seconds=baselines * (trained_s * (1 + inherited) + judged_s),
        )
    measured_s = measuring_seconds(work.device)
    yield PlannedPhase(
        name="export",
        what=f"write, verify{' and measure' if measured_s else ''} {counted(plan.trainings, 'files')}",
        seconds=plan.trainings * (EXPORT_S + judged_s) + measured_s,
    )


def _supernet_phases(settings: SearchSettings, work: "Workload") -> Iterator[PlannedPhase]:
    recipe, images = work.supernet_recipe, work.outline.train
    if settings.uses_gradients:  # whose steps become slower once architectures are learnt
        yield PlannedPhase(
            name="supernet", what=f"{counted(recipe.epochs, 'epochs')} of {images} images", seconds=None
        )
        return
    largest_s, supernet_s = work.supernet_seconds()
    if recipe.largest_first is not None:
        yield PlannedPhase(
            name="largest network",
            what=f"{counted(recipe.largest_first.epochs, 'epochs')} of {images} images",
            seconds=largest_s,
        )
    yield PlannedPhase(
        name="supernet", what=f"{counted(recipe.epochs, 'epochs')} of {images} images", seconds=supernet_s
    )
