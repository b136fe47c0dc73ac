"""Signals from outside interrupt a command as Ctrl-C does."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgenas.board.ending import INTERRUPTED, in_good_order


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Signals as a process has them that was not started under nohup or in the background."""
    usual: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _interrupted_by(number: int) -> Callable[[], int]:
    def command() -> int:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0

    return command


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_it_ends_with_128_and_the_number_of_the_signal(name: str, code: int) -> None:
    assert in_good_order(_interrupted_by(getattr(signal, name))) == code


def test_a_second_signal_while_it_ends_is_no_traceback() -> None:
    def command() -> int:
        try:
            return _interrupted_by(signal.SIGTERM)()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    assert in_good_order(command) == 143


def test_what_finished_all_the_same_keeps_its_exit_code() -> None:
    def command() -> int:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        return 1

    assert in_good_order(command) == 1


def test_afterwards_signals_mean_what_they_did() -> None:
    in_good_order(lambda: 0)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_that_is_ignored_as_under_nohup_stays_so() -> None:
    def command() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert in_good_order(command) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
