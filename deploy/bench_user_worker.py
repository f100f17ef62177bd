"""A Celery app like the user server's whose bots do nothing but say when they started.

Used as `celery -A deploy.bench_user_worker worker …`; what is measured is the way to a
bot's work, not the work.
"""

from __future__ import annotations

import os
import uuid
from importlib import import_module
from typing import Any

from celery.signals import worker_process_init

from deploy import bench_user_bots, bench_user_stamps
from deploy.bench_user_bots import DISARM, NAIVE
from user_project.celery import app

__all__ = ["app"]


@app.task(name=NAIVE, ignore_result=True)
def naive(*, bot_id: str, **_: Any) -> None:
    """Be the one task of one bot."""
    bench_user_stamps.write(uuid.UUID(bot_id))


@worker_process_init.connect
def _empty(**_: Any) -> None:
    """Replace the work of a bot; the task around it stays."""
    tasks = import_module("user_project.bots.tasks")
    runner = import_module("user_project.bots.runner")
    done = runner.RunResult(claimed=True)

    def run_bot(*, bot_id: uuid.UUID, **_: Any) -> Any:
        bench_user_stamps.write(bot_id)
        if DISARM in os.environ:
            bench_user_bots.disarm([bot_id])
        return done

    tasks.run_bot = run_bot  # type: ignore[attr-defined]
