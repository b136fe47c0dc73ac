"""Training after the search: which models, for how long, and from which weights."""

import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import torch
from torch import nn

from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import MAX_IMAGES, regression_seconds
from edgenas.accuracy.path_sampling import paths_per_step
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.accuracy.training_speed import evaluation_seconds, step_seconds
from edgenas.errors import OutOfMemoryError, WorkerError
from edgenas.pipeline import final_training, worker
from edgenas.pipeline.baselines import baselines_of, is_pretrained
from edgenas.pipeline.deploying import deployed, seconds_beside
from edgenas.pipeline.final_measuring import final_measuring_seconds, measure_final_models
from edgenas.pipeline.final_model import (
    EXPORT,
    FinalModel,
    TrainingOutcome,
    adopt_training,
    as_recorded,
    failed,
    finalist,
    has_begun,
    record_outcome,
)
from edgenas.pipeline.front_selection import smoothed_points, succeeded
from edgenas.pipeline.near_limit import first_within_limit
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import LEAST_S, split_time
from edgenas.pipeline.training_plan import (
    TIMING_SHARE,
    Costs,
    TrainingPlan,
    affordable,
    by_importance,
    shared_out,
    timed_costs,
)
from edgenas.progress import Phase
from edgenas.searchers.front import ranked_leaders
from edgenas.searchers.loop import Evaluated
from edgenas.space import Architecture
from edgenas.space.precision_space import searched_as

FINALISTS = Phase("finalists", "models")


def train_and_export(
    session: Session, supernet: Supernet | None, evaluated: list[Evaluated]
) -> list[FinalModel]:
    """Train, export and measure the finalists, and the baselines if requested, as far as a time budget allows.

    Returns:
        Finalists first, fastest first, then baselines.
    """
    with session.store.timed("finalists"):
        finalists = _select_finalists(session, evaluated)
        baselines = baselines_of(session) if session.settings.baselines else []
        trained = _trained(session, supernet, finalists, baselines)
    in_order = [*sorted(finalists, key=lambda each: each.latency.predicted), *baselines]
    with session.store.timed("export"):
        ready = [trained[each.id] for each in in_order if each.id in trained]
        exported = []
        for number, final_model in enumerate(ready):
            session.progress(EXPORT, number, len(ready))
            exported.append(deployed(session, final_model))
        session.progress(EXPORT, len(ready), len(ready))
        return measure_final_models(session, exported)


def _trained(
    session: Session,
    supernet: Supernet | None,
    finalists: Sequence[FinalModel],
    baselines: Sequence[FinalModel],
) -> dict[str, FinalModel]:
    """The trained models by id, without those that a time budget did not allow, which is noted."""
    twins = _twins(finalists)
    alone = [each for each in finalists if each.id not in twins]
    beside_s = seconds_beside(session, [*finalists, *baselines])
    trainings = _Trainings(session, supernet, by_importance(alone, baselines), beside_s)
    plan, trained = trainings.plan, dict[str, FinalModel]()
    under_way: dict[Future[TrainingOutcome], FinalModel] = {}

    def record_first() -> None:
        """Wait for a training that is under way to end."""
        future = next(iter(wait(under_way, return_when=FIRST_COMPLETED).done))
        final_model = under_way.pop(future)
        try:
            outcome = future.result()
        except WorkerError as error:
            outcome = failed(error)
        record_outcome(session, final_model, outcome)
        recorded = as_recorded(session, final_model)
        assert recorded is not None
        trained[final_model.id] = recorded

    begun = number = 0
    for final_model in trainings.final_models:
        while len(under_way) >= session.settings.worker_count:
            record_first()
        session.progress(FINALISTS, len(trained), len(trainings.final_models))
        is_late = plan is not None and plan.is_too_late(final_model.id, trainings.left_s)
        if is_late and begun and not has_begun(session, final_model):
            continue
        begun += 1
        number += not final_model.name
        phase = (
            f"baseline {final_model.name}" if final_model.name else f"finalist {number}/{trainings.finalists}"
        )
        if (known := as_recorded(session, final_model)) is not None:
            trained[final_model.id] = known
        else:
            seconds = None if plan is None else plan.seconds[final_model.id]
            under_way[trainings.begin(final_model, phase, seconds)] = final_model
    while under_way:
        session.progress(FINALISTS, len(trained), len(trainings.final_models))
        record_first()
    session.progress(FINALISTS, len(trained), len(trained))
    allowed = [
        f"{sum(each.id in trained for each in asked)} of {len(asked)} {kind}"
        for kind, asked in (("finalists", alone), ("baselines", baselines))
        if any(each.id not in trained for each in asked)
    ]
    if allowed:
        session.note(f"the time budget allowed {' and '.join(allowed)}")
    for each in finalists:
        if (first := trained.get(twins.get(each.id, ""))) is not None:
            trained[each.id] = adopt_training(session, each, first)
    return trained


def _twins(finalists: Sequence[FinalModel]) -> dict[str, str]:
    """By the id of a finalist, that of an earlier one which is the same network in another precision."""
    first: dict[Architecture, str] = {}
    found = {each.id: first.setdefault(each.architecture, each.id) for each in finalists}
    return {id_: twin for id_, twin in found.items() if id_ != twin}


def _select_finalists(session: Session, evaluated: list[Evaluated]) -> list[FinalModel]:
    """The finalists, most important first, then the same networks in the other precisions that are searched."""
    valid, count = succeeded(evaluated), session.settings.finalists
    found = smoothed_points(session.problem, valid)
    whole = session.whole_network
    # The gradient searcher's own choice and the pretrained network are trained even if others lead on the few
    # validation images: the supernet's figures do not show that the latter gains most from training. It comes second:
    # if a single one can be trained, that is the best that was found.
    by_id = {each.architecture.id: each for each in valid}
    chosen = [by_id[id_] for id_ in [session.chosen] if id_ in by_id]
    pretrained = [by_id[whole.id]] if whole and whole.id in by_id else []

    def ranked(too_slow: set[str]) -> list[Evaluated]:
        left = [i for i, each in enumerate(valid) if each.architecture.id not in too_slow]
        leading = [valid[left[i]] for i in ranked_leaders(found[left], count * len(session.predictor.parts))]
        in_order = [*chosen, *leading[:1], *pretrained, *leading]
        first: dict[Architecture, Evaluated] = {}  # of each network, in whichever precision it leads
        for each in in_order:
            if each.architecture.id not in too_slow:
                first.setdefault(session.in_precision(each.architecture).network, each)
        return list(first.values())

    first = [each.architecture for each in first_within_limit(session, valid, ranked, count)]
    return [
        finalist(session, each, by_id[each.id].accuracy if each.id in by_id else None)
        for each in [*first, *_in_other_precisions(session, first)]
    ]


def _in_other_precisions(session: Session, chosen: Sequence[Architecture]) -> list[Architecture]:
    """The networks of some architectures in the other precisions that are searched, as far as the limit allows it.

    Their training is shared, so a file of each costs next to nothing.
    """
    problem = session.problem
    twins = [
        searched_as(problem.space, precision, session.in_precision(each).network)
        for each in chosen
        for precision in session.predictor.parts
    ]
    return [each for each in twins if each not in chosen and problem.is_feasible(each)]


class _Trainings:
    """How the final models are trained.

    Finalists start from the supernet's weights. Baselines start from scratch or from published weights, and are trained
    longer in exchange: by one finalist's share of the supernet's training.

    Args:
        session: the search.
        supernet: the trained supernet, if there is one.
        asked: the final models asked for, most important first.
        beside_s: seconds to keep for what comes after, beside measuring.

    Attributes:
        plan: what a time budget allows; None without a budget, or if nothing but classifiers is fitted.
        final_models: those that the plan allows, most important first.
    """

    def __init__(
        self,
        session: Session,
        supernet: Supernet | None,
        asked: Sequence[FinalModel],
        beside_s: float = 0.0,
    ) -> None:
        self._session = session
        self._beside_s = beside_s
        self._supernet = supernet
        self.final_models = asked
        self.plan = None
        if session.settings.time_budget_s is None or session.config.finalist_recipe.classifier_only:
            return
        if known := session.store.last_event("finalist plan"):  # a resumed run keeps it
            self.plan = TrainingPlan(**{field: known[field] for field in ("seconds", "beside_s")})
            self.final_models = [each for each in asked if each.id in self.plan.seconds]
        else:
            costs = self._affordable()
            self.final_models = [each for each in asked if each.id in costs]
            self.plan = self._divided(costs)
            session.store.record("finalist plan", seconds=self.plan.seconds, beside_s=self.plan.beside_s)

    @property
    def finalists(self) -> int:
        """How many of the final models are finalists."""
        return sum(not final_model.name for final_model in self.final_models)

    def begin(self, final_model: FinalModel, phase: str, seconds: float | None) -> Future[TrainingOutcome]:
        """Begin a training, here or by a worker."""
        session, recipe = self._session, self.recipe(final_model)
        if session.has_workers:
            return session.executor.submit(worker.train, final_model, recipe, phase, seconds)
        return session.executor.submit(
            final_training.trained, session, self._supernet, final_model, recipe, phase, seconds
        )

    def recipe(self, final_model: FinalModel) -> FinalistRecipe:
        """A baseline is trained as a finalist, but for more epochs and without a teacher; fine-tuned if pretrained."""
        recipe = self._session.config.finalist_recipe
        if not final_model.name:
            return recipe
        epochs = recipe.epochs + round(self._inherited_epochs)
        longer = recipe.model_copy(update={"epochs": epochs, "distillation": 0.0})
        return longer.fine_tuning if is_pretrained(final_model) else longer

    @property
    def left_s(self) -> float:
        """Seconds left for training and judging."""
        session = self._session
        return session.budget.left_s - final_measuring_seconds(session) - self._beside_s

    @property
    def _shared_s(self) -> float:
        """The same, summed over workers, as far as they can share the models among them."""
        models = max(1, len(self.final_models))
        return self.left_s * models / math.ceil(models / self._session.settings.worker_count)

    def _affordable(self) -> dict[str, Costs]:
        """The costs of the models that the time budget allows, by id."""
        enough_s = (1 - TIMING_SHARE) * self.left_s
        costs = timed_costs(
            self.final_models,
            lambda final_model: final_model.network.macs,
            self._costs,
            lambda: self.left_s >= enough_s,
        )
        found = {each.id: cost for each, cost in zip(self.final_models, costs, strict=True)}
        return affordable(found, self._shared_s)

    def _divided(self, costs: dict[str, Costs]) -> TrainingPlan:
        """The time left, divided among the models."""
        session = self._session
        beside_s = {id_: cost.beside_s for id_, cost in costs.items()}
        batches = len(session.dataset_on_device.train) / session.config.finalist_recipe.batch_size
        extra = {each.id: self._inherited_epochs * batches for each in self.final_models if each.name}
        step_s = {id_: cost.step_s for id_, cost in costs.items()}
        seconds, share = split_time(self._shared_s - sum(beside_s.values()), step_s, extra)
        seconds = shared_out(seconds, beside_s, session.settings.worker_count, self.left_s)
        if extra and share < 1:
            session.note(
                f"within the time budget, baselines got {share:.1%} of a finalist's share of the supernet's training"
            )
        return TrainingPlan(seconds, beside_s)

    @property
    def _inherited_epochs(self) -> float:
        """A finalist's share of the epochs of the supernet, times the paths of a step, and of its largest network."""
        session = self._session
        if (trained := session.store.last_event("supernet trained")) is None:
            return 0.0
        first = session.store.last_event("largest network trained") or {"epochs": 0.0}
        learns = session.config.gradient_recipe is not None  # which trains one path a step
        paths = 1 if learns else paths_per_step(session.space, session.config.supernet_recipe)
        return float((first["epochs"] + paths * trained["epochs"]) / self.finalists)

    def _costs(self, final_model: FinalModel) -> Costs:
        """Seconds of a training step, and of what is beside training: evaluation, and fitting a classifier."""
        recipe, teacher = self.recipe(final_model), final_training.teacher_of(self._supernet, final_model)
        dataset = final_model.dataset_on_device(self._session)
        threads = torch.get_num_threads()
        torch.set_num_threads(
            worker.threads_each(self._session.settings.worker_count)
        )  # as it will be trained
        try:
            network = final_training.network_of(self._session, self._supernet, final_model, fitted=False)
            resizing = nn.Sequential(Resize(final_model.resolution), network)
            losses = network_losses(resizing, recipe, teacher, recipe.distillation)
            step_s = step_seconds(network, losses, final_model.training_dataset(self._session), recipe)
            evaluation_s = evaluation_seconds(network, dataset)
        except OutOfMemoryError:  # reported by its training
            return Costs(LEAST_S, 0.0)
        finally:
            torch.set_num_threads(threads)
        before_training, after_training = is_pretrained(final_model), recipe.refits_classifier
        fitted = before_training or after_training
        last = final_model.network.classifier(network) if fitted else None
        if last is None:
            return Costs(step_s, evaluation_s)
        images = min(len(dataset.train), MAX_IMAGES)
        features_s = evaluation_s * images / (len(dataset.validation) + len(dataset.test))
        fit_s = features_s + regression_seconds(last, images)
        return Costs(step_s, evaluation_s + (2 if before_training and after_training else 1) * fit_s)
