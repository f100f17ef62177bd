"""The central server's Celery app; settings under the CELERY_ prefix."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central_project.settings")
app = Celery("dantaro_central")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
