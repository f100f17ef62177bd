"""Forget what is older than the admin's retention says."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from central_project.market.services.prune import prune


class Command(BaseCommand):
    """``prune [--dry-run] [--json]``; every run does the same at its end."""

    help = "Delete runs and candles that are older than the admin's retention."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--dry-run", action="store_true", help="count only, delete nothing"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune now, or say what would go."""
        counts = prune(now=timezone.now(), dry_run=options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        verb = "would delete" if options["dry_run"] else "deleted"
        self.stdout.write(
            f"{verb} {counts['runs']} runs, {counts['minutes']} 5-minute candles,"
            f" {counts['hours']} hours"
        )
