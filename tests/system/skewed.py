"""A process of the user server whose clock a test can move: a file says by how many seconds.

As a Celery app (``-A tests.system.skewed``) it moves the worker and its pool; run as a
program it is ``manage_user.py``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from celery.signals import celeryd_init, worker_process_init

from tests.system.town import SKEW_FILE
from user_project.celery import app

__all__ = ["app"]


def follow_the_file() -> None:
    """Keep this process's clock as far off as the file says, from now on."""
    threading.Thread(target=_follow, name="skew", daemon=True).start()


def _follow() -> None:
    travel: Any = None
    for seconds in _changes():
        if travel is not None:
            travel.stop()
        travel = time_machine.travel(timedelta(seconds=seconds), tick=True)
        travel.start()


def _changes() -> Iterator[float]:
    known = ""
    while True:
        text = Path(os.environ[SKEW_FILE]).read_text(encoding="ascii")
        if text and text != known:
            known = text
            yield float(text)
        time.sleep(0.02)


@celeryd_init.connect
def _in_the_worker(**_: Any) -> None:
    follow_the_file()


@worker_process_init.connect
def _in_its_pool(**_: Any) -> None:
    follow_the_file()


if __name__ == "__main__":
    import manage_user

    follow_the_file()
    manage_user.main()
