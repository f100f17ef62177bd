"""WSGI entry point: ``granian --interface wsgi central_project.wsgi:application``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central_project.settings")
django_application = get_wsgi_application()

from central_project.api.fastlane import FastLane  # noqa: E402  (needs the settings)

application = FastLane(django_application)
