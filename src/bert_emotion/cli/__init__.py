"""The command line. Results go to stdout, progress and errors to stderr; an error is one line and an exit code.

Exit codes: 0 done, 1 a check failed, 2 wrong use or unreadable input, 3 model, 4 data, 5 training, 6 export,
7 a missing extra, 130 interrupted, 141 the reader of the pipe went away.
"""

from __future__ import annotations

import os
import sys

import typer

from bert_emotion import __version__
from bert_emotion.cli import bench, compare, data, demo, evaluate, export, model, predict, train
from bert_emotion.errors import BertEmotionError

app = typer.Typer(
    name="bert-emotion",
    help="Tell which of 13 emotions a text carries: offline, on a plain CPU.\n\n"
    'bert-emotion "i love you" is short for bert-emotion predict "i love you".',
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("export")(export.export)
app.command("demo")(demo.demo)
app.command("compare")(compare.compare)
app.command("info")(model.info)
app.command("verify")(model.verify)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(evaluate.report)
app.command("bench")(bench.bench)
app.add_typer(data.app, name="data")
app.add_typer(model.app, name="model")

COMMANDS = (
    "predict",
    "train",
    "compare",
    "export",
    "demo",
    "info",
    "verify",
    "evaluate",
    "report",
    "bench",
    "data",
    "model",
)
_GLOBAL = ("-h", "--help", "--version")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"bert-emotion {__version__}")
        raise typer.Exit


def _with_command(arguments: list[str]) -> list[str]:
    """Put ``predict`` in front of anything that does not name a command: texts, options, or just a pipe."""
    if not arguments:
        return ["--help"] if sys.stdin is None or sys.stdin.isatty() else ["predict"]
    return arguments if arguments[0] in (*COMMANDS, *_GLOBAL) else ["predict", *arguments]


def _utf8(argument: str) -> str:
    """An argument as UTF-8, although a C locale made Python read it as ASCII with escapes."""
    if os.name == "nt":
        return argument
    return os.fsencode(argument).decode("utf-8", "replace")


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``bert-emotion`` command; always ends with ``SystemExit``."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # whatever the locale says: texts and emoji are UTF-8; broken bytes are reported, not fatal
        if hasattr(stream, "reconfigure"):
            errors = "surrogateescape" if stream is sys.stdin else "replace"
            # answers leave line by line, so that a live pipe (tail -f) is answered at once
            stream.reconfigure(encoding="utf-8", errors=errors, line_buffering=stream is not sys.stdin)
    command = typer.main.get_command(app)
    try:
        given = [_utf8(argument) for argument in sys.argv[1:]] if arguments is None else arguments
        code = command.main(_with_command(given), "bert-emotion", standalone_mode=False)
    except BertEmotionError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        # usage errors of the command-line library, whose class moved between versions
        if not hasattr(error, "format_message"):
            raise
        _fail(f"{error.format_message()} (bert-emotion --help tells more)", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"bert-emotion: error: {' '.join(message.split())}\n")
    sys.exit(code)
