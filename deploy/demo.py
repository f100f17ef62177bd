"""`make demo`: a fresh stack on a lively market that plays the whole flow once."""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime
from pathlib import Path

from deploy.launcher import addresses, announce, run_stack, wait_for_stop
from deploy.runs import fresh_demo_directory
from deploy.stack import Stack
from deploy.stack_options import RUN, StackOptions
from deploy.story import play

ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL|PANIC|Error:|Exception:)")
SHOWN_ERRORS = 12


class InvalidChoice(Exception):
    """A variable given to the demo makes no sense; the message says what would."""


def main() -> int:
    """Run the demo; 0 only if the story came to its good end."""
    try:
        options = _options()
    except InvalidChoice as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    return run_stack(options, work=_show)


def _options() -> StackOptions:
    changes: dict[str, object] = {"seed": _seed(os.environ.get("SEED") or "7")}
    replay = os.environ.get("REPLAY")
    if replay:
        changes["replay"] = _replay_file(replay)
        changes["replay_from"] = os.environ.get("REPLAY_FROM") or None
    if os.environ.get("DANTARO_RATE_FACTOR"):
        changes["rate_factor"] = os.environ["DANTARO_RATE_FACTOR"]
    changes["echo"] = os.environ.get("DANTARO_VERBOSE") == "1"
    directory = fresh_demo_directory(RUN, now=datetime.now().astimezone())
    return StackOptions.lively(directory=directory, mode="demo", **changes)


def _seed(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InvalidChoice(f"SEED must be a whole number such as 7, not {text!r}")
    return int(text)


def _replay_file(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise InvalidChoice(
            f"REPLAY names {path}, but there is no such file. Give a parquet file of"
            " candles, or leave REPLAY out for a synthetic market."
        )
    return path


def _show(stack: Stack) -> int:
    announce(f"Everything runs. Logs: {stack.logs}")
    good = play(stack)
    if not good:
        print(_what_went_wrong(stack.logs), file=sys.stderr, flush=True)
    if sys.stdin.isatty() and sys.stdout.isatty():
        name, password = stack.admin
        print(f"{addresses(stack)}\n  login     {name} / {password}", flush=True)
        announce("Still serving; Ctrl-C stops everything.")
        wait_for_stop()
    return 0 if good else 1


def _what_went_wrong(logs: Path) -> str:
    found = []
    for path in sorted(logs.glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [line for line in lines if ERROR.search(line)]
    newest = sorted(found)[-SHOWN_ERRORS:]
    shown = "\n".join("  " + line for line in newest) or "  no error lines in them"
    return f"demo: it did not work out. The logs are in {logs}; newest errors:\n{shown}"


if __name__ == "__main__":
    sys.exit(main())
