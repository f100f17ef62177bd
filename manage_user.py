"""Management commands of the user server."""

from __future__ import annotations

import os
import sys

SETTINGS_FREE_COMMANDS = {"plan"}
"""Pure calculators: they run without database, Redis or configuration."""


def main() -> None:
    """Load the configured environment and hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "user_project.settings")
    if SETTINGS_FREE_COMMANDS.intersection(sys.argv[1:2]):
        os.environ.setdefault("DANTARO_SETTINGS_FREE", "1")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A wrong environment is the operator's to mend: one sentence, no traceback.
        sys.exit(f"manage_user.py: {error}")
    except OperationalError as error:
        reason = " ".join(str(error).split())
        sys.exit(
            f"manage_user.py: the database cannot be used: {reason}."
            " Start it (`make up`) or correct DATABASE_URL."
        )


if __name__ == "__main__":
    main()
