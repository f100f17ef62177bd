"""The central server's Celery app; settings under the CELERY_ prefix."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, task_postrun, task_prerun
from structlog.contextvars import bind_contextvars, clear_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central_project.settings")
app = Celery("dantaro_central")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery's own formats stay away; what libraries print becomes lines as well."""
    app.log.redirect_stdouts("WARNING")  # type: ignore[arg-type]  # as celery itself


@task_prerun.connect
def _name_the_task(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    clear_contextvars()
    bind_contextvars(task=task.name, task_id=task_id)


@task_postrun.connect
def _forget_the_task(**_: Any) -> None:
    clear_contextvars()
