#!/usr/bin/env python3
"""Management commands of the central server."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Hand over to Django; a wrong configuration ends in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central_project.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018  (loads the settings)
    except ImproperlyConfigured as error:
        sys.exit(f"manage_central.py: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
