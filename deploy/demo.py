"""`make demo`: a fresh stack on a lively market that plays the whole flow once."""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime
from pathlib import Path

from deploy.choices import InvalidChoice, common_choices, replay_choices
from deploy.launcher import addresses, announce, run_stack, wait_for_stop
from deploy.runs import fresh_demo_directory
from deploy.stack import Stack
from deploy.stack_options import RUN, StackOptions
from deploy.story import play

ERROR = re.compile(
    r'\b(ERROR|CRITICAL|FATAL|PANIC)|(Error|Exception):|"level": "(error|critical)"'
)
SHOWN_ERRORS = 12


def main() -> int:
    """Run the demo; 0 only if the story came to its good end."""
    try:
        options = _options()
    except InvalidChoice as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    return run_stack(options, work=_show)


def _options() -> StackOptions:
    changes = {**common_choices(os.environ), **replay_choices(os.environ)}
    directory = fresh_demo_directory(RUN, now=datetime.now().astimezone())
    return StackOptions.lively(directory=directory, mode="demo", **changes)


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
