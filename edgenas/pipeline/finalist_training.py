"""Training after the search: which models, for how long, and from which weights."""

from functools import partial

from torch import nn

from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import MAX_IMAGES, regression_seconds
from edgenas.accuracy.path_sampling import paths_per_step
from edgenas.accuracy.standalone import Teacher, fresh_network, network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.accuracy.training_speed import evaluation_seconds, step_seconds
from edgenas.errors import OutOfMemoryError
from edgenas.pipeline.baselines import baselines_of, is_pretrained, pretrained_network
from edgenas.pipeline.final_model import (
    MEASURING_S,
    FinalModel,
    export_final_model,
    measure_final_models,
    train_final_model,
)
from edgenas.pipeline.final_network import OfSpace
from edgenas.pipeline.front_selection import smoothed_points, succeeded
from edgenas.pipeline.initial_networks import initial_network
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import LEAST_S, split_time
from edgenas.searchers.front import leaders
from edgenas.searchers.loop import Evaluated


def train_and_export(
    session: Session, supernet: Supernet | None, evaluated: list[Evaluated]
) -> list[FinalModel]:
    """Train, export and measure the finalists, and the baselines if requested.

    Returns:
        Finalists first, then baselines.
    """
    trained = []
    with session.store.timed("finalists"):
        final_models = _select_finalists(session, evaluated)
        final_models += baselines_of(session) if session.settings.baselines else []
        trainings = _Trainings(session, supernet, final_models)
        seconds = trainings.seconds()
        for number, final_model in enumerate(final_models, start=1):
            phase = (
                f"baseline {final_model.name}"
                if final_model.name
                else f"finalist {number}/{trainings.finalists}"
            )
            trained.append(
                train_final_model(
                    session,
                    final_model,
                    partial(trainings.network, final_model),
                    trainings.recipe(final_model),
                    phase,
                    seconds.get(final_model.id),
                    trainings.teacher(final_model),
                )
            )
    with session.store.timed("export"):
        exported = []
        for number, final_model in enumerate(trained):
            session.progress("export", number, len(trained))
            exported.append(export_final_model(session, final_model))
        session.progress("export", len(trained), len(trained))
        return measure_final_models(session, exported)


def _select_finalists(session: Session, evaluated: list[Evaluated]) -> list[FinalModel]:
    valid, count = succeeded(evaluated), session.settings.finalists
    found = smoothed_points(session.problem, valid)
    whole = session.whole_network if count > 1 else None  # a single finalist is the best that was found
    # The gradient searcher's own choice and the pretrained network are trained even if others lead on the few
    # validation images: the supernet's figures do not show that the latter gains most from training.
    always = {session.chosen, whole.id if whole else None}
    forced = [each for each in valid if each.architecture.id in always]
    for leading in range(count, -1, -1):
        others = [valid[i] for i in leaders(found, leading) if valid[i] not in forced]
        if len(others) + len(forced) <= count:
            break
    chosen = sorted(others + forced, key=lambda each: each.latency_ms)
    return [
        FinalModel(
            id=candidate.architecture.id,
            network=OfSpace(session.space, candidate.architecture),
            latency=session.predictor.predict(candidate.architecture),
            searched=candidate.accuracy,
        )
        for candidate in chosen
    ]


class _Trainings:
    """How the final models are trained.

    Finalists start from the supernet's weights. Baselines start from scratch or from published weights, and are trained
    longer in exchange: by one finalist's share of the supernet's training.
    """

    def __init__(self, session: Session, supernet: Supernet | None, final_models: list[FinalModel]) -> None:
        self._session = session
        self._supernet = supernet
        self._final_models = final_models
        self.finalists = sum(not final_model.name for final_model in final_models)

    def teacher(self, final_model: FinalModel) -> Teacher | None:
        """The supernet's largest network at the image size of a finalist; None for a baseline."""
        supernet, size = self._supernet, final_model.resolution
        if supernet is None or final_model.name:
            return None
        largest = supernet.space.joined(size, supernet.space.at(size).largest)
        return lambda images: supernet(images, largest)

    def network(self, final_model: FinalModel, fitted: bool = True) -> nn.Module:
        """The network with its initial weights, on the training device; see `pretrained_network` for `fitted`."""
        session = self._session
        if not final_model.name:
            return initial_network(session, self._supernet, final_model.architecture)
        if is_pretrained(final_model):
            dataset = final_model.dataset_on_device(session)
            return pretrained_network(final_model.network, dataset, session.torch_device, fitted)
        return fresh_network(
            final_model.space, final_model.architecture, session.settings.seed, session.torch_device
        )

    def recipe(self, final_model: FinalModel) -> FinalistRecipe:
        """A baseline is trained as a finalist, but for more epochs and without a teacher; fine-tuned if pretrained."""
        recipe = self._session.config.finalist_recipe
        if not final_model.name:
            return recipe
        epochs = recipe.epochs + round(self._inherited_epochs)
        longer = recipe.model_copy(update={"epochs": epochs, "distillation": 0.0})
        return longer.fine_tuning if is_pretrained(final_model) else longer

    def seconds(self) -> dict[str, float]:
        """Seconds of each training under a time budget, by id, planned once; empty without a budget."""
        session = self._session
        if session.settings.time_budget_s is None or session.config.finalist_recipe.classifier_only:
            return {}
        if known := session.store.last_event("finalist plan"):
            return dict(known["seconds"])
        speeds = {final_model.id: self._speed(final_model) for final_model in self._final_models}
        step_s = {id_: step for id_, (step, _) in speeds.items()}
        left_s = session.budget.left_s - sum(evaluation for _, evaluation in speeds.values())
        left_s -= MEASURING_S if session.config.device.is_host else 0.0
        batches = len(session.dataset_on_device.train) / session.config.finalist_recipe.batch_size
        extra = {c.id: self._inherited_epochs * batches for c in self._final_models if c.name}
        seconds, share = split_time(left_s, step_s, extra)
        if extra and share < 1:
            session.note(
                f"within the time budget, baselines got {share:.0%} of a finalist's share of the supernet's training"
            )
        session.store.record("finalist plan", seconds=seconds)
        return seconds

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

    def _speed(self, final_model: FinalModel) -> tuple[float, float]:
        """Seconds of a training step, and of what is beside training: evaluation, and fitting a classifier."""
        recipe, teacher = self.recipe(final_model), self.teacher(final_model)
        dataset = final_model.dataset_on_device(self._session)
        try:
            network = self.network(final_model, fitted=False)
            resizing = nn.Sequential(Resize(final_model.resolution), network)
            losses = network_losses(resizing, recipe, teacher, recipe.distillation)
            step_s = step_seconds(network, losses, final_model.training_dataset(self._session), recipe)
            evaluation_s = evaluation_seconds(network, dataset)
        except OutOfMemoryError:  # reported by its training
            return LEAST_S, 0.0
        before_training, after_training = is_pretrained(final_model), recipe.refits_classifier
        fitted = before_training or after_training
        last = final_model.network.classifier(network) if fitted else None
        if last is None:
            return step_s, evaluation_s
        images = min(len(dataset.train), MAX_IMAGES)
        features_s = evaluation_s * images / (len(dataset.validation) + len(dataset.test))
        fit_s = features_s + regression_seconds(last, images)
        return step_s, evaluation_s + (2 if before_training and after_training else 1) * fit_s
