from itertools import product

import numpy as np
import pytest

from edgenas.accuracy.accuracy_model import KERNELS, NOISE_VARIANCES, MixtureComponent, Surrogate
from edgenas.space import NASBench201Space
from edgenas.testing.searcher_conformance import make_problem

SPACE = make_problem(1.0).space


@pytest.fixture(scope="module")
def everything() -> np.ndarray:
    vectors = np.array(list(product(*(range(len(known)) for known in SPACE.variables))))
    return np.unique(SPACE.canonical_vectors(vectors), axis=0)


def log_error(vectors: np.ndarray, seed: int = 0, pairs: float = 0.0) -> np.ndarray:
    """A sum of effects of single choices, and of pairs of them."""
    rng = np.random.default_rng(seed)
    total = np.full(len(vectors), -2.0)
    for column in vectors.T:
        total += rng.normal(0, 0.2, 5)[column]
    for i, j in product(range(vectors.shape[1]), repeat=2):
        total += pairs * rng.normal(0, 0.2, (5, 5))[vectors[:, i], vectors[:, j]]
    return total


def predicted(surrogate: Surrogate, vectors: np.ndarray) -> np.ndarray:
    samples, weights = surrogate.sample(vectors)
    return samples @ weights


def test_it_learns_effects_of_choices(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    known = np.random.default_rng(1).permutation(len(everything))[:60]
    surrogate = Surrogate(SPACE, everything[known], errors[known])
    unknown = np.setdiff1d(np.arange(len(everything)), known)
    good = unknown[errors[unknown] < np.quantile(errors, 0.5)]  # the others count as alike
    residual = np.log(predicted(surrogate, everything[good])) - np.log(errors[good])
    assert np.std(residual) < 0.35 * np.std(np.log(errors[good]))


def test_what_was_evaluated_is_predicted_as_it_was_where_there_is_no_noise(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    known = np.random.default_rng(1).permutation(len(everything))[:60]
    surrogate = Surrogate(SPACE, everything[known], errors[known])
    good = known[errors[known] < np.quantile(errors[known], 0.6)]
    assert predicted(surrogate, everything[good]) == pytest.approx(errors[good], rel=0.05)


def test_uncertainty_is_small_near_what_is_known_and_honest_elsewhere(everything: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    errors = np.exp(log_error(everything, pairs=0.3) + rng.normal(0, 0.02, len(everything)))
    known = rng.permutation(len(everything))[:80]
    unknown = np.setdiff1d(np.arange(len(everything)), known)
    surrogate = Surrogate(SPACE, everything[known], errors[known])
    samples, weights = surrogate.sample(everything)
    logs = np.log(samples)
    spread = np.sqrt((logs - (logs @ weights)[:, None]) ** 2 @ weights)
    assert spread[known].mean() < 0.6 * spread[unknown].mean()
    good = unknown[errors[unknown] < np.quantile(errors[known], 0.6)]
    low, high = samples[good].min(1), samples[good].max(1)  # the outer sixteenths
    inside = ((errors[good] > low) & (errors[good] < high)).mean()
    assert inside > 0.7


def test_weights_of_samples_add_up_to_one(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    samples, weights = Surrogate(SPACE, everything[::7], errors[::7]).sample(everything[:5])
    assert samples.shape == (5, len(weights))
    assert weights.sum() == pytest.approx(1)
    assert (samples > 0).all()


def test_pairs_of_choices_are_found_where_they_matter(everything: np.ndarray) -> None:
    """With many pairs and no single effects the kernel of single choices cannot win."""
    rng = np.random.default_rng(3)
    table = rng.normal(0, 0.5, (5, 5))
    errors = np.exp(-2 + table[everything[:, 0], everything[:, 2]])
    known = rng.permutation(len(everything))[:200]
    surrogate = Surrogate(SPACE, everything[known], errors[known])
    assert surrogate.components[0].kernel != "choices"


def test_noise_is_told_from_signal(everything: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    errors = np.exp(-2 + rng.normal(0, 0.2, len(everything)))
    known = rng.permutation(len(everything))[:100]
    assert Surrogate(SPACE, everything[known], errors[known]).components[0].noise >= 0.1


def test_the_chosen_kernels_can_be_used_again(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    first = Surrogate(SPACE, everything[::7], errors[::7])
    again = Surrogate(SPACE, everything[::7], errors[::7], first.components)
    assert again.components == first.components
    np.testing.assert_allclose(predicted(again, everything), predicted(first, everything))


def test_shares_descend_and_add_up_to_one(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    shares = [component.weight for component in Surrogate(SPACE, everything[::7], errors[::7]).components]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_kernel_is_a_covariance_that_is_one_for_equal_networks(kernel: str) -> None:
    space = NASBench201Space()
    rng = np.random.default_rng(0)
    vectors = np.unique([space.encode(space.sample(rng)) for _ in range(80)], axis=0)
    surrogate = Surrogate(space, vectors, rng.random(len(vectors)), [MixtureComponent(kernel, 0.1, 1.0, 1.0)])
    covariance = KERNELS[kernel](*surrogate._similarity.to(vectors))
    np.testing.assert_allclose(np.diag(covariance), 1)
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_a_prior_that_is_right_helps(everything: np.ndarray) -> None:
    """Errors of another data set, on another scale and with noise, known for many architectures; few known here."""
    rng = np.random.default_rng(5)
    there = np.exp(0.5 * log_error(everything, pairs=0.3) + rng.normal(0, 0.05, len(everything)))
    here = np.exp(log_error(everything, pairs=0.3))
    prior = Surrogate(SPACE, everything[::3], there[::3])
    known = rng.permutation(len(everything))[:20]
    good = here < np.quantile(here[known], 0.6)

    def residual(surrogate: Surrogate) -> float:
        return float(np.std(np.log(predicted(surrogate, everything[good])) - np.log(here[good])))

    alone = Surrogate(SPACE, everything[known], here[known])
    helped = Surrogate(SPACE, everything[known], here[known], prior=prior)
    assert helped.components[0].prior
    assert residual(helped) < 0.7 * residual(alone)


def test_a_prior_that_is_wrong_does_little_harm(everything: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    errors = np.exp(log_error(everything))
    prior = Surrogate(SPACE, everything[::3], np.exp(rng.normal(-1, 0.3, len(everything[::3]))))
    known = rng.permutation(len(everything))[:60]
    alone = predicted(Surrogate(SPACE, everything[known], errors[known]), everything)
    helped = predicted(Surrogate(SPACE, everything[known], errors[known], prior=prior), everything)
    good = errors < np.quantile(errors[known], 0.6)
    worse = np.std(np.log(helped[good] / errors[good])) / np.std(np.log(alone[good] / errors[good]))
    assert worse < 1.5


def test_a_prior_that_tells_nothing_apart_changes_nothing(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    prior = Surrogate(SPACE, everything[::3], np.full(len(everything[::3]), 0.3))
    choices = [MixtureComponent("far", 0.01, 1.0, 1.0, prior=True)]
    helped = Surrogate(SPACE, everything[::9], errors[::9], choices, prior)
    alone = Surrogate(SPACE, everything[::9], errors[::9], [MixtureComponent("far", 0.01, 1.0, 1.0)])
    np.testing.assert_allclose(predicted(helped, everything), predicted(alone, everything))


def test_how_bad_the_bad_are_is_told_apart_only_where_asked(everything: np.ndarray) -> None:
    errors = np.exp(log_error(everything))
    worse = np.where(errors > np.quantile(errors, 0.8), 0.999, errors)
    known = everything[::3]
    alike = [predicted(Surrogate(SPACE, known, each[::3]), everything) for each in (errors, worse)]
    np.testing.assert_allclose(*alike)
    apart = [
        predicted(Surrogate(SPACE, known, each[::3], clip_quantile=1.0), everything)
        for each in (errors, worse)
    ]
    assert np.abs(apart[0] - apart[1]).max() > 0.1


@pytest.mark.parametrize("error", [0.0, 0.5, 1.0])
def test_accuracies_that_are_all_the_same_are_predicted_so(error: float, everything: np.ndarray) -> None:
    surrogate = Surrogate(SPACE, everything[::9], np.full(len(everything[::9]), error))
    assert predicted(surrogate, everything) == pytest.approx(np.full(len(everything), error), abs=2e-3)


def test_leave_one_out_is_what_leaving_one_out_gives(everything: np.ndarray) -> None:
    """The closed form against predictions of processes that have not seen the architecture."""
    from edgenas.accuracy.accuracy_model import _fit_noise

    vectors = everything[::9]
    targets = log_error(vectors)
    targets = targets - targets.mean()
    same = (vectors[:, None] == vectors[None]).mean(2)
    density, noise, variance = _fit_noise(same, targets)
    assert noise in NOISE_VARIANCES
    covariance = variance * (same + noise * np.eye(len(vectors)))
    expected = []
    for one in range(len(vectors)):
        others = np.arange(len(vectors)) != one
        weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, one])
        spread = covariance[one, one] - covariance[one, others] @ weights
        residual = targets[one] - targets[others] @ weights
        expected.append(-0.5 * np.log(spread) - 0.5 * residual**2 / spread)
    assert density - 0.5 == pytest.approx(np.mean(expected), rel=1e-6)
