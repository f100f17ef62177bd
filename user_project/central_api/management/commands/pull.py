"""``manage_user.py pull``: ask central now."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from user_project.central_api.services import pull


class Command(BaseCommand):
    """Translate, pull once, report."""

    help = "Pull central's analysis now and say what came of it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--json`` for programs."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit 1 when central could not be read."""
        result = pull(now=timezone.now(), force=True)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result), ensure_ascii=False))
        if result.outcome == "failed":
            raise CommandError(result.message)
        if not options["json"]:
            self.stdout.write(f"{result.outcome}: {result.run_id}")
