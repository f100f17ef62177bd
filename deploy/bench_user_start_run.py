"""Makes waiting bots, or lets a watcher look at prices once a second: the naive way.

Usage: python -m deploy.bench_user_start_run make N | poll, with a user server's
environment; `make` prints the bots' ids by number as JSON.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from importlib import import_module
from typing import Any

import django

from deploy import bench_user_bots as bots


def main(what: str, *arguments: str) -> int:
    """Do one of both."""
    django.setup()
    if what == "make":
        print(json.dumps([str(bot_id) for bot_id in bots.create(int(*arguments))]))
        return 0
    return _poll()


def _poll() -> int:
    """Run the watcher's command, whose feeds ring a bell that nobody hears."""
    command: Any = import_module("user_project.bots.management.commands.watch")
    watch: Any = import_module("user_project.bots.watch")
    run = watch.Watcher.run

    def deaf(self: Any, *, stopping: Any, rang: threading.Event) -> None:
        run(self, stopping=stopping, rang=threading.Event())

    watch.Watcher.run = deaf
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command.Command().handle()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
