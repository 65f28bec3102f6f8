"""The command line, installed as `touchstone`.

Only the module of the command that was called is imported, so that the web process does not carry
what training needs.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from app.errors import Busy, Damaged, TouchstoneError
from app.settings import misspelt, share_cores

COMMANDS = {
    "serve": "Run the server and its worker.",
    "work": "Run a worker on its own, here or on another machine.",
    "demo": "Fill a fresh database with synthetic traffic and show the reports.",
    "import": "Read interactions from a JSON Lines file into the database.",
    "export": "Write labels or interactions to a file for other tools.",
    "score": "Judge a JSON Lines file without a database.",
    "report": "Write the report of a week.",
    "evaluators": "List the evaluators that are found.",
    "fetch": "Download the weights of a hub evaluator.",
    "train": "Train the bundled judges.",
    "bench": "Measure how well and how fast the judges judge.",
    "keys": "Make, list and revoke API keys.",
    "calibrate": "Fit scores and thresholds to your own blind labels.",
    "reviewers": "Invite, list and disable reviewers.",
    "doctor": "Say what was found in traces, what was not, and why.",
    "audit": "Show who did what, prove that the log is whole, tell who judged an answer.",
    "backup": "Copy the whole database into one file.",
    "restore": "Put a backup in the place of the database.",
    "prune": "Forget what is old, or erase a trace or a user for good; counts stay.",
    "migrate": "Bring the database to the newest schema.",
}
MODULES = {"import": "app.commands.import_"}


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """The command line for these arguments, with only the called command behind it."""
    line = typer.Typer(
        help=__doc__.splitlines()[0],
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == called:
            _add(line, name)
        else:
            line.command(name, help=summary)(_placeholder)
    return line


def main() -> None:
    """Run the command; a set-up that is wrong ends in one sentence and exit code 2."""
    share_cores()
    for sentence in misspelt():
        print(f"touchstone: {sentence}", file=sys.stderr)
    try:
        command_line(sys.argv[1:])(prog_name="touchstone")
    except Damaged as error:
        _end(str(error))
    except Busy as error:
        _end(_blocked(error))
    except TouchstoneError as error:
        _end(str(error))
    except OSError as error:
        _end(_fault(error))


def _end(sentence: str) -> NoReturn:
    print(f"touchstone: {sentence}", file=sys.stderr)
    sys.exit(2)


def _blocked(error: Busy) -> str:
    """Why the database could not be used, in the words of who runs a command."""
    return (
        f"the database could not be used: {error.reason}; see TOUCHSTONE_DATABASE_URL, "
        "or run the command again when nobody else writes"
    )


def _fault(error: OSError) -> str:
    """What the system refused, and on which file where it names one."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return f"the system refused: {reason}; mend that and run the command again"
    return f"cannot read or write {str(error.filename)!r}: {reason}; choose another or mend it"


def _add(line: typer.Typer, name: str) -> None:
    module = importlib.import_module(MODULES.get(name, f"app.commands.{name}"))
    group = getattr(module, "app", None)
    if isinstance(group, typer.Typer):
        line.add_typer(group, name=name, help=COMMANDS[name])
    else:
        line.command(name)(module.command)


def _placeholder() -> None:
    """Stands for a command that was not called."""


if __name__ == "__main__":
    main()
