"""``manage_user.py check_account``: test the stored keys of an account."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from user_project.accounts import key_reports
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, check_account


class Command(BaseCommand):
    """Translate the name, make one call."""

    help = "Test an account's keys against its exchange and say what to repair."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the account."""
        parser.add_argument("name", help="name of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check every account of that name; exit 1 on a problem."""
        accounts = list(ExchangeAccount.objects.filter(name=options["name"]))
        if not accounts:
            raise CommandError(f"There is no account named {options['name']!r}.")
        for account in accounts:
            now = timezone.now()
            try:
                report = check_account(account=account, now=now)
            except AccountProblem as problem:
                raise CommandError(f"{problem.code}: {problem.message}") from problem
            found = key_reports.summary(report=report, now=now)
            self.stdout.write(f"{account}: {found}")
