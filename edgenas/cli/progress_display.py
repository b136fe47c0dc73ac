"""Showing progress and warnings on stderr: live on a terminal, else as lines."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from edgenas.board.problem import one_line
from edgenas.cli.front_plot import HEIGHT, ON_FRONT, Point, front_plot
from edgenas.cli.phase_text import Running
from edgenas.errors import MAX_MESSAGE
from edgenas.progress import Progress, silent

if TYPE_CHECKING:
    from rich.text import Text

PLAIN_INTERVAL_S = 15.0
"""Seconds between lines of a phase if stderr is not a terminal."""

FRAMES_PER_S = 4

_quiet = ContextVar("quiet", default=False)


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Show no progress within, if so asked."""
    token = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(token)


@contextmanager
def reporting() -> Iterator[Progress]:
    """Yield a progress callback that shows on stderr how far the work is; warnings go there too."""
    with _display() as progress, _warnings_shown():
        yield progress


def _display() -> AbstractContextManager[Progress]:
    if _quiet.get():
        return nullcontext(silent)
    is_live = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return LiveDisplay() if is_live else PlainDisplay()


class _OneLine(logging.Formatter):
    """What a warning quotes may come from anywhere."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record), MAX_MESSAGE)


@contextmanager
def _warnings_shown() -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)  # what it is now: a live display puts lines above itself
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    logger = logging.getLogger("edgenas")
    logging.addLevelName(logging.WARNING, "warning")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class PlainDisplay:
    """For logs and pipes: a line when a phase starts, at intervals, and when it ends."""

    def __init__(self) -> None:
        self.running: dict[str, Running] = {}
        self._shown_s: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End showing."""

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        """Receive one report."""
        if phase not in self.running:
            self.running[phase] = Running(phase, done, total)
        running = self.running[phase]
        for inner in self._within(phase):  # has ended, perhaps before its total
            self._end(inner)
        running.done, running.total, running.detail = done, total, detail
        self.report(running)
        if running.is_done:
            self._end(phase)

    def _within(self, phase: str) -> list[str]:
        """Phases that began after this one, as a training does within a search; not those of other boards."""
        names = list(self.running)
        return [each for each in names[names.index(phase) + 1 :] if _who(each) == _who(phase)]

    def _end(self, phase: str) -> None:
        self.write(self.running.pop(phase).last_line())
        self._shown_s.pop(phase, None)

    def report(self, running: Running) -> None:
        """Show a phase that was told of."""
        now_s = time.monotonic()
        if now_s - self._shown_s.get(running.name, -PLAIN_INTERVAL_S) >= PLAIN_INTERVAL_S:
            self._shown_s[running.name] = now_s
            self.write(running.plain_line())

    def write(self, line: str) -> None:
        """Show a line that stays."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class LiveDisplay(PlainDisplay):
    """For terminals: the phases that are running, below the networks that a search has evaluated."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__()
        self._points: list[Point] = []
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self.picture,
            refresh_per_second=FRAMES_PER_S,
            redirect_stdout=False,
            transient=True,
        )

    @override
    def __enter__(self) -> Self:
        self._live.start()
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def evaluated(self, latency_ms: float, accuracy: float) -> None:
        """Receive a network that the search evaluated."""
        self._points.append((latency_ms, accuracy))

    @override
    def report(self, running: Running) -> None:
        """Nothing: the next picture shows it."""

    @override
    def write(self, line: str) -> None:
        from rich.text import Text

        self._console.print(Text(line))

    def picture(self) -> "Text":
        """What is shown now, in as many lines and columns as the terminal has."""
        from rich.text import Text

        width, height = self._console.size
        phases = [each.live_line(width) for each in list(self.running.values())]
        points = tuple(self._points)  # it is drawn by a thread of its own
        plot = front_plot(points, width) if points and height > HEIGHT + 3 + len(phases) else []
        text = Text("\n".join([*plot, *phases]), no_wrap=True, overflow="crop")
        text.highlight_regex(f"{ON_FRONT}|━+", "bold green")
        text.highlight_regex("[·─│└]+", "dim")
        return text


def _who(phase: str) -> str:
    """The board, or the image size, whose phase it is."""
    return phase.rpartition(": ")[0]
