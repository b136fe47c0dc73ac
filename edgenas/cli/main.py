"""The typer app, and the only place where errors become exit codes."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import typer
import typer.main

from edgenas.board.ending import INTERRUPTED, in_good_order
from edgenas.board.problem import one_line
from edgenas.cli import (
    bench,
    benchmark,
    devices,
    doctor,
    export,
    kit,
    kit_import,
    predict,
    profile,
    report,
    runs,
    search,
    validate,
)
from edgenas.cli import run as run_command
from edgenas.cli.options import HELP_STYLE, with_quiet, with_values
from edgenas.cli.standard_streams import code_after_output, open_outlets
from edgenas.errors import FREE_SPACE, MAX_MESSAGE, EdgenasError, is_full
from edgenas.settings.export import ExportSettings
from edgenas.settings.search import SearchSettings

ADD_DEVICE = "devices add"

app = typer.Typer(
    name="edgenas",
    help="Find the neural networks worth deploying on your device, within your milliseconds.",
    epilog="Example: edgenas search --device jetson --max-latency 20ms",
    no_args_is_help=True,
    rich_markup_mode=HELP_STYLE,
    pretty_exceptions_enable=False,
)
for command in (
    search,
    profile,
    kit,
    kit_import,
    validate,
    predict,
    bench,
    devices,
    export,
    run_command,
    report,
    runs,
    doctor,
):
    app.command(command.__name__.rpartition(".")[2].replace("_", "-"), epilog=command.EXAMPLE)(
        with_quiet(command.run)
    )
app.command(ADD_DEVICE, epilog=devices.ADD_EXAMPLE)(with_quiet(devices.add))
app.add_typer(benchmark.app)

# The base class of typer's usage errors has no public name; it is two levels above this one.
_UsageError: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)


_STAND_ALONE = {"search": SearchSettings, "export": ExportSettings}
"""Commands with an option that may stand alone."""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
) -> None:
    if version:
        from edgenas import __version__

        sys.stdout.write(f"edgenas {__version__}\n")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; errors are one line on stderr."""
    output = open_outlets()
    sys.exit(code_after_output(in_good_order(lambda: run(arguments)), output))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if " ".join(given[:2]) == ADD_DEVICE:  # two words, beside `devices`, which takes a name
        given[:2] = [ADD_DEVICE]
    if given and given[0] in _STAND_ALONE:
        given = with_values(_STAND_ALONE[given[0]], given)
    try:
        code = _command()(args=given, standalone_mode=False)
        if code == INTERRUPTED:  # typer turns Ctrl-C into this code without a message
            return _fail("interrupted", INTERRUPTED)
        return code if isinstance(code, int) else 0
    except EdgenasError as error:
        return _fail(str(error), error.exit_code)
    except _UsageError as error:
        return _usage_error(error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except MemoryError:
        return _fail("there is not enough memory; close other programs, or give smaller files or limits", 1)
    except OSError as error:
        hint = f"; {FREE_SPACE}" if is_full(error) else ""
        return _fail(f"{error.filename or 'output'}: {error.strerror}{hint}", 3)


@cache
def _command() -> Callable[..., Any]:
    """The app with all its commands and options, which typer would make anew for each call."""
    return typer.main.get_command(app)


def _usage_error(error: Exception) -> int:
    message = error.format_message().replace("Value error, ", "")  # type: ignore[attr-defined]
    if not message:  # no arguments: typer has printed the help
        return 2
    option = getattr(error, "param_hint", None) or getattr(getattr(error, "param", None), "opts", [""])[0]
    message = message if not option or str(option) in message else f"{option}: {message}"
    return _fail(f"{message.rstrip('.')}; see edgenas --help", 2)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"error: {one_line(' '.join(message.split()), MAX_MESSAGE)}\n")
    return code
