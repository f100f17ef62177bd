"""ASGI entry point of the event streams."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

# Set, not defaulted: the pages' settings are in the environment of all processes.
os.environ["DJANGO_SETTINGS_MODULE"] = "user_project.stream.settings"
application = get_asgi_application()
