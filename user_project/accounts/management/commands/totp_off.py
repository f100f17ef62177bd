"""``manage_user.py totp_off``: a person has lost the phone and the written codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from user_project.accounts.second_step import has_second_step, turn_off


class Command(BaseCommand):
    """Translate the argument, make one call."""

    help = "Turn the second step of a person's login off; the password stays."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say whose, and whether to ask."""
        parser.add_argument("username")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 2 for a wrong name or without consent."""
        name = options["username"]
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"{name} 사용자가 없습니다.", returncode=2)
        if not has_second_step(user):
            self.stdout.write(f"{name}: 2단계 로그인이 켜져 있지 않습니다.")
            return
        if not options["yes"]:
            asked = f"{name}의 2단계 로그인을 끕니다. 계속하려면 y: "
            if input(asked).strip().lower() != "y":
                raise CommandError("그대로 두었습니다.", returncode=2)
        turn_off(user=user)
        self.stdout.write(f"{name}: 2단계 로그인을 껐습니다.")
