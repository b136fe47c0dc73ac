"""Training the supernet of a run; with the gradient searcher, together with the architecture."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from edgenas.accuracy.path_sampling import largest_path_losses, path_losses
from edgenas.accuracy.pretrained_start import start_from
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses, train
from edgenas.latency.predictor import LatencyPredictor
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import LARGEST_FIRST_SHARE, SEARCH_SHARE, SUPERNET_SHARE
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.proxyless.architecture_learning import Learner
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.proxyless.proxyless_searcher import ProxylessSearcher
from edgenas.searchers.registry import MakeSearcher
from edgenas.storage.learning_record import record_curves

CONVERGED = 0.1
"""Relative deviation of expected latencies from their targets above which a note says so."""

LARGEST_NETWORK = "largest network"
"""Name of the phase in which the supernet's largest network is trained first."""

PROBE_SHARE = 0.9
"""Share of a time budget for the search where nothing but classifiers is trained."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What the search needs: weights to start networks from, and the searcher's factory.

    `supernet` is trained. If candidates are trained individually, it is None, or has pretrained weights.
    """

    supernet: Supernet | None
    make_searcher: MakeSearcher


def phase_budgets_s(session: Session) -> dict[str, float]:
    """Time budgets of largest network, supernet and search in seconds, planned once; infinite without a budget."""
    if recorded := session.store.last_event("plan"):
        return recorded
    left_s = session.budget.left_s
    shares = {"supernet": SUPERNET_SHARE, "search": SEARCH_SHARE}
    if not session.trains_supernet:
        shares = {"supernet": 0.0, "search": SUPERNET_SHARE + SEARCH_SHARE}
    elif session.trains_largest_first:
        largest = LARGEST_FIRST_SHARE * SUPERNET_SHARE
        shares |= {LARGEST_NETWORK: largest, "supernet": SUPERNET_SHARE - largest}
    if session.config.finalist_recipe.classifier_only:
        shares["search"] = PROBE_SHARE
    planned = {phase: share * left_s for phase, share in shares.items()}
    if session.settings.time_budget_s is not None:
        session.store.record("plan", **planned)
    return planned


def trained_supernet(session: Session) -> Trained:
    """Train the supernet, or resume its training; with the gradient searcher, also learn the architecture."""
    config, trains = session.config, session.trains_supernet
    if not trains and session.pretrained is None:
        assert session.make_searcher is not None, "the gradient searcher needs a supernet"
        return Trained(None, session.make_searcher)
    supernet = Supernet(session.space, session.settings.seed).to(session.torch_device)
    if session.pretrained is not None and not session.folder.supernet.is_file():  # else that file holds all
        with session.store.timed("supernet"):
            _load_pretrained(session, supernet, session.pretrained)
            if session.trains_largest_first:
                _train_largest(session, supernet)
    if config.gradient_recipe is not None:
        return Trained(supernet, _learn_architecture(session, supernet, config.gradient_recipe))
    if trains:
        _train(session, supernet, path_losses(supernet, config.supernet_recipe))
    assert session.make_searcher is not None, "the gradient searcher needs a supernet"
    return Trained(supernet, session.make_searcher)


def restored_supernet(session: Session) -> Supernet | None:
    """The supernet as `trained_supernet` left it: for a worker, which trains none."""
    if not session.trains_supernet and session.pretrained is None:
        return None
    supernet = Supernet(session.space, session.settings.seed).to(session.torch_device)
    if session.trains_supernet:
        recipe = session.config.gradient_recipe
        model = supernet if recipe is None else _learner(session, supernet, recipe)
        session.checkpoint(session.folder.supernet).restore_model(model)
    elif session.pretrained is not None:
        _load_pretrained(session, supernet, session.pretrained)
    return supernet


def _load_pretrained(session: Session, supernet: Supernet, weights: PretrainedWeights) -> None:
    """Give the supernet pretrained weights, fitted to the images at the largest size."""
    session.progress("fitting pretrained weights", 0, 1)
    largest = supernet.extract(session.space.largest)
    start_from(largest, weights.tensors, session.dataset_on_device, weights.elastic)
    supernet.places.load_state_dict(largest.state_dict())
    session.progress("fitting pretrained weights", 1, 1)


def _train_largest(session: Session, supernet: Supernet) -> None:
    """Train the largest network before all others, which then begin as parts of a network that knows the images."""
    recipe = session.config.supernet_recipe.largest_first
    assert recipe is not None
    epochs = train(
        supernet,
        largest_path_losses(supernet, recipe),
        session.dataset_on_device,
        recipe,
        session.seed_of(LARGEST_NETWORK),
        session.checkpoint(session.folder.largest_network),
        session.progress,
        phase=LARGEST_NETWORK,
        seconds=_seconds(session, LARGEST_NETWORK),
    )
    if session.store.last_event("largest network trained") is None:
        session.store.record("largest network trained", epochs=epochs)


def _learner(session: Session, supernet: Supernet, recipe: GradientRecipe) -> Learner:
    predictor = session.predictor
    assert isinstance(predictor, LatencyPredictor), "the settings refuse several image sizes"
    distribution = Distribution(predictor, session.settings.max_latency_ms, recipe.targets)
    return Learner(supernet, distribution, session.dataset_on_device, session.config.supernet_recipe, recipe)


def _learn_architecture(session: Session, supernet: Supernet, recipe: GradientRecipe) -> MakeSearcher:
    learner = _learner(session, supernet, recipe)
    distribution = learner.distribution
    try:
        _train(session, learner, learner)
    except KeyboardInterrupt:
        record_curves(session.store, learner.recorder.curves(distribution, recipe, finished=False))
        raise
    make_searcher = partial(ProxylessSearcher, distribution=distribution)
    if not distribution.learnt:
        session.note("the time budget ended before an architecture was learnt: give a longer --time-budget")
    elif session.store.last_event("architecture learnt") is None:
        chosen = make_searcher(session.problem, session.settings.seed).best(session.settings.max_latency_ms)
        session.note(
            f"{chosen.id} is the architecture learnt for the limit itself, predicted at "
            f"{session.predictor.text(chosen)}"
        )
        if recipe.latency_loss == "constraint" and (missed := distribution.missed()) > CONVERGED:
            session.note(
                f"the learnt architectures have not converged: expected latencies deviate by up to {missed:.0%} from "
                "their targets; allow more time"
            )
        session.store.record("architecture chosen", id=chosen.id)
        record_curves(session.store, learner.recorder.curves(distribution, recipe))
    return make_searcher


def _train(session: Session, model: nn.Module, losses: Losses) -> None:
    config, checkpoint = session.config, session.checkpoint(session.folder.supernet)
    trained = session.store.last_event("supernet trained")
    if trained is not None and checkpoint.path.is_file():  # it needs no optimiser, whose import takes seconds
        checkpoint.restore_model(model)
        session.progress("supernet", trained["epochs"], trained["epochs"])
        return
    with session.store.timed("supernet"):
        epochs = train(
            model,
            losses,
            session.dataset_on_device,
            config.supernet_recipe,
            session.settings.seed,
            checkpoint,
            session.progress,
            phase="supernet",
            seconds=_seconds(session, "supernet"),
        )
    if trained is None:
        session.store.record("supernet trained", epochs=epochs)


def _seconds(session: Session, phase: str) -> float | None:
    return None if session.settings.time_budget_s is None else phase_budgets_s(session)[phase]
