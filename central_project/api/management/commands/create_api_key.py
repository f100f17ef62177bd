"""Issue an API key; its text is shown this once."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from central_project.api.models import DEFAULT_RATE, ApiKey

VARIABLE = "CENTRAL_API_KEY"


class Command(BaseCommand):
    """``create_api_key NAME [--expires DAYS] [--rate N/60s] [--env-file FILE]``"""

    help = "Issue an API key. Its text is printed once and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="who will use it, e.g. seoul-1")
        parser.add_argument(
            "--expires", type=int, metavar="DAYS", help="default: never"
        )
        parser.add_argument("--rate", default=DEFAULT_RATE, help="default: 100/60s")
        parser.add_argument(
            "--env-file", type=Path, help=f"write {VARIABLE}=... here, print no key"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the key."""
        target: Path | None = options["env_file"]
        if target is not None and not target.parent.is_dir():
            raise CommandError(f"there is no folder {target.parent}; make it first")
        try:
            key, text = ApiKey.objects.issue(
                name=options["name"],
                expires_at=_expiry(options["expires"], timezone.now()),
                rate=options["rate"],
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        if target is None:
            self.stdout.write(text)
            self.stderr.write("Keep it: it cannot be shown again.")
            return
        _write(target, text)
        self.stdout.write(f"{key} written to {target} as {VARIABLE}")


def _expiry(days: int | None, now: datetime, /) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= 3650:
        raise CommandError(f"--expires must be 1 to 3650 days, got {days}")
    return now + timedelta(days=days)


def _write(target: Path, text: str, /) -> None:
    """Put the key into an environment file that only its owner can read."""
    known = target.read_text("utf-8") if target.exists() else ""
    line = f"{VARIABLE}={text}\n"
    pattern = re.compile(rf"^{VARIABLE}=.*\n?", re.MULTILINE)
    if pattern.search(known):
        known = pattern.sub(line, known)
    else:
        known += ("" if not known or known.endswith("\n") else "\n") + line
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(known)
