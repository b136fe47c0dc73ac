"""Architectures within the limit that differ from one in the choice of a single variable."""

from collections.abc import Container

import numpy as np

from edgenas.searchers.problem import Problem
from edgenas.space import Architecture

ATTEMPTS = 100
"""Attempts in a row to find an unvisited architecture."""


def neighbours(problem: Problem, architecture: Architecture) -> list[Architecture]:
    """All other architectures within the limit that differ in one variable, each once, variable by variable."""
    space = problem.space
    changed = (
        space.architecture([*architecture.choices[:index], choice, *architecture.choices[index + 1 :]])
        for index, choices_of in enumerate(space.variables)
        for choice in choices_of
    )
    others = [other for other in dict.fromkeys(changed) if other != architecture]
    if not others:
        return []
    within = problem.feasible(np.stack([space.encode(other) for other in others]))
    return [other for other, is_within in zip(others, within, strict=True) if is_within]


def mutated(problem: Problem, architecture: Architecture, rng: np.random.Generator) -> Architecture:
    """Change one random variable to another of its choices; the result is repaired if it is too slow."""
    choices, variables = list(architecture.choices), problem.space.variables
    index = int(rng.integers(len(choices)))
    others = [choice for choice in variables[index] if choice != choices[index]] or variables[index]
    choices[index] = others[rng.integers(len(others))]
    return problem.repaired(problem.space.architecture(choices), rng)


def unvisited(
    problem: Problem, start: Architecture, visited: Container[Architecture], rng: np.random.Generator
) -> Architecture | None:
    """The first unvisited architecture on a random walk from `start`, else among samples; None if neither finds one."""
    current = start
    for _ in range(ATTEMPTS):
        current = mutated(problem, current, rng)
        if current not in visited:
            return current
    return next((a for a in samples(problem, 1, visited, rng)), None)


def samples(
    problem: Problem, count: int, visited: Container[Architecture], rng: np.random.Generator
) -> list[Architecture]:
    """At most `count` distinct unvisited samples; fewer if they are hard to find."""
    found: dict[Architecture, None] = {}
    fruitless = 0
    while len(found) < count and fruitless < ATTEMPTS:
        drawn = problem.sample(rng)
        fruitless = fruitless + 1 if drawn in visited or drawn in found else 0
        if not fruitless:
            found[drawn] = None
    return list(found)
