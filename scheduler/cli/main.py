"""The `headrace` command: its subcommands, and what becomes of errors.

A subcommand's module is imported when it is used, so that `headrace --help` and a shell's
completion stay quick. Nobody sees a traceback for a mistake: every error of the scheduler is
printed with its code, the field at fault and a hint, and sets the exit code.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module

import click

from scheduler.cli import exit_codes
from scheduler.cli.nearest import did_you_mean
from scheduler.cli.output import print_error
from scheduler.cli.text import safe
from scheduler.domain.errors import SchedulerError

COMMANDS = {
    "run": "scheduler.cli.run.run_command",
    "work": "scheduler.cli.work.work_command",
    "enqueue": "scheduler.cli.changing_commands",
    "list": "scheduler.cli.reading_commands",
    "get": "scheduler.cli.reading_commands",
    "status": "scheduler.cli.reading_commands",
    "explain": "scheduler.cli.reading_commands",
    "plan": "scheduler.cli.workflow.plan_command",
    "cancel": "scheduler.cli.changing_commands",
    "retry": "scheduler.cli.changing_commands",
    "update": "scheduler.cli.changing_commands",
    "add-prerequisites": "scheduler.cli.changing_commands",
    "pause": "scheduler.cli.changing_commands",
    "resume": "scheduler.cli.changing_commands",
    "limit": "scheduler.cli.limit_commands",
    "limits": "scheduler.cli.limit_commands",
    "every": "scheduler.cli.schedule_commands",
    "schedules": "scheduler.cli.schedule_commands",
    "stop-schedule": "scheduler.cli.schedule_commands",
    "doctor": "scheduler.cli.doctor_command",
    "mcp": "scheduler.cli.serve.mcp_command",
    "serve": "scheduler.cli.serve.serve_command",
}

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"  {code:<4} {meaning}" for code, meaning in exit_codes.MEANINGS.items()
)


class _Commands(click.Group):
    """The subcommands, each imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_") + "_command"
        command = getattr(import_module(COMMANDS[cmd_name]), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"No such command '{safe(args[0])}'." + (f" {hint}" if hint else ""))
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="headrace", message="headrace %(version)s")
def headrace() -> None:
    """Run and watch tasks that depend on each other, in the best order, durably.

    \b
    Start here:
      headrace run examples/build.toml           run a workflow file
      headrace enqueue "Write the release notes" put one task into the queue
      headrace status                            the queue in numbers
    """


def main() -> None:
    """The entry point: run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    as_json = "--json" in arguments[: _end_of_options(arguments)]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None when whoever started us has closed it
            stream.reconfigure(errors="backslashreplace")
    try:
        with headrace.make_context("headrace", arguments) as context:
            headrace.invoke(context)
            if sys.stdout is not None:
                sys.stdout.flush()
    except BaseException as error:
        code = _answer(_first(error), as_json=as_json)
        if code is None:
            raise
        return code
    return exit_codes.OK


def _first(error: BaseException) -> BaseException:
    """Of errors that came together in Trio tasks, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _answer(error: BaseException, *, as_json: bool) -> int | None:
    """Tell the user what went wrong; the exit code, or None for a bug of ours."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            return _usage(error, as_json)
        case SchedulerError():
            print_error(error.as_dict(), as_json=as_json)
            return exit_codes.exit_code(error)
        case KeyboardInterrupt() | click.Abort():
            return exit_codes.INTERRUPTED
        case BrokenPipeError():
            _write_no_more()
            return exit_codes.BROKEN_PIPE
        case OSError(errno=errno.ENOSPC):
            _write_no_more()
            print_error(
                {"code": "output", "message": "the output cannot be written: no space is left"},
                as_json=False,
            )
            return exit_codes.NO_OUTPUT
        case _:
            return None


def _write_no_more() -> None:
    """Let the interpreter's last flush of what nobody can read go nowhere."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_of_options(arguments: list[str]) -> int:
    return arguments.index("--") if "--" in arguments else len(arguments)


def _usage(error: click.ClickException, as_json: bool) -> int:
    if as_json:
        print_error({"code": "usage", "message": error.format_message()}, as_json=True)
    else:
        error.show()
    return error.exit_code
