"""``manage_user.py create_account``: add an exchange account from the command line."""

from __future__ import annotations

import getpass
import json
import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from user_project.accounts.hosts import usual_host
from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.accounts.services import AccountProblem, create_account


class Command(BaseCommand):
    """Translate arguments and environment, make one call."""

    help = (
        "Add an exchange account. Keys come from DANTARO_ACCESS_KEY and"
        " DANTARO_SECRET_KEY, or are asked for; they are never shown again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say whose account it is, where and in which mode."""
        parser.add_argument("--owner", required=True, help="user name of the owner")
        parser.add_argument("--name", required=True, help="name of the account")
        parser.add_argument("--mode", default="paper", choices=AccountMode.values)
        parser.add_argument("--base-url", help="empty: what suits the mode")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do nothing when an account of that name is there already."""
        owner = get_user_model().objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(
                f"There is no user {options['owner']!r}. Create one with:"
                " manage_user.py createsuperuser"
            )
        account = (
            ExchangeAccount.objects.for_user(owner).filter(name=options["name"]).first()
        )
        created = account is None
        if account is None:
            account = self._create(owner, options)
        result = {"id": str(account.pk), "name": account.name, "created": created}
        word = "created" if created else "exists already, nothing changed"
        self.stdout.write(
            json.dumps(result) if options["json"] else f"{account}: {word}"
        )

    def _create(self, owner: Any, options: dict[str, Any]) -> ExchangeAccount:
        try:
            return create_account(
                owner=owner,
                name=options["name"],
                mode=options["mode"],
                base_url=options["base_url"] or usual_host(options["mode"]),
                access_key=_secret("DANTARO_ACCESS_KEY", "Access key: "),
                secret_key=_secret("DANTARO_SECRET_KEY", "Secret key: "),
                now=timezone.now(),
            )
        except AccountProblem as problem:
            raise CommandError(f"{problem.code}: {problem.message}") from problem


def _secret(variable: str, prompt: str) -> str:
    return os.environ.get(variable) or getpass.getpass(prompt)
