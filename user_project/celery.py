"""The user server's Celery app; settings under the CELERY_ prefix."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "user_project.settings")
app = Celery("dantaro_user")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: the step needs the models, which are not ready yet.
app.steps["worker"].add("user_project.bots.canary:WatchdogStep")
