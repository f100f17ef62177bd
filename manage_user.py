"""Management commands of the user server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SETTINGS_FREE_COMMANDS = {"plan"}
"""Pure calculators: they run without database, Redis or configuration."""


def main() -> None:
    """Load the configured environment and hand over to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "user_project.settings")
    if SETTINGS_FREE_COMMANDS.intersection(sys.argv[1:2]):
        os.environ.setdefault("DANTARO_SETTINGS_FREE", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
