"""Advice as a whole."""

from collections.abc import Callable

import pytest
from fixtures import needless

from edgenas.advice.advising import Advised

Advise = Callable[..., Advised]


def test_nothing_is_found_where_nothing_costs_needlessly(advise: Advise) -> None:
    assert advise(needless.plain(), simplify=True).advice == ()


def test_other_runtimes_get_no_advice(advise: Advise, caplog: pytest.LogCaptureFixture) -> None:
    assert advise(needless.weights_as_inputs(), "jetson").advice is None
    assert caplog.messages[-1] == (
        "what tensorrt makes of a file is not known, so there is no advice for jetson-orin-nano; only --fix is possible"
    )


def test_it_is_told_what_gains_are_of(advise: Advise, caplog: pytest.LogCaptureFixture) -> None:
    advise(needless.weights_as_inputs())
    assert [each for each in caplog.messages if "the prediction assumes the usual fusions" in each]
