"""Architectures within the limit that differ from one in the choice of a single variable."""

from collections.abc import Container

import numpy as np

from edgenas.searchers.problem import Problem
from edgenas.space import Architecture

TRIES = 100
"""Steps to something new before it counts as hard to find."""


def neighbours(problem: Problem, architecture: Architecture) -> list[Architecture]:
    """All others that one changed variable leads to and that keep the limit, each once, variable by variable."""
    space = problem.space
    changed = (
        space.architecture([*architecture.choices[:place], choice, *architecture.choices[place + 1 :]])
        for place, known in enumerate(space.variables)
        for choice in known
    )
    others = [other for other in dict.fromkeys(changed) if other != architecture]
    if not others:
        return []
    kept = problem.keeps_limit(np.stack([space.encode(other) for other in others]))
    return [other for other, keeps in zip(others, kept, strict=True) if keeps]


def mutated(problem: Problem, architecture: Architecture, rng: np.random.Generator) -> Architecture:
    """One random variable takes another of its choices at random; `repaired` where that is too slow."""
    choices, variables = list(architecture.choices), problem.space.variables
    place = int(rng.integers(len(choices)))
    others = [choice for choice in variables[place] if choice != choices[place]] or variables[place]
    choices[place] = others[rng.integers(len(others))]
    return problem.repaired(problem.space.architecture(choices), rng)


def unmet(
    problem: Problem, start: Architecture, met: Container[Architecture], rng: np.random.Generator
) -> Architecture | None:
    """The first not in `met` on a walk of mutations from `start`; where that fails, among samples; None there too."""
    here = start
    for _ in range(TRIES):
        here = mutated(problem, here, rng)
        if here not in met:
            return here
    return next((a for a in samples(problem, 1, met, rng)), None)


def samples(
    problem: Problem, count: int, met: Container[Architecture], rng: np.random.Generator
) -> list[Architecture]:
    """At most `count` distinct samples that are not in `met`; fewer where they are hard to find."""
    found: dict[Architecture, None] = {}
    for _ in range(count * TRIES):
        if len(found) == count:
            break
        if (drawn := problem.sample(rng)) not in met:
            found[drawn] = None
    return list(found)
