#!/usr/bin/env python3
"""Management commands of the central server."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Hand over to Django; what the operator must repair ends in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central_project.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        settings.INSTALLED_APPS  # noqa: B018  (loads the settings)
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage_central.py: {error}")
    except OperationalError as error:
        reason = " ".join(str(error).split())
        sys.exit(
            f"manage_central.py: the database cannot be used: {reason}."
            " Start it (`make up`) or correct DATABASE_URL."
        )


if __name__ == "__main__":
    main()
