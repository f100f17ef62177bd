"""System checks of the exchange accounts; they run with ``migrate`` and
``check --database default``, because they read the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register

from user_project.accounts.startup import unreadable_accounts


@register(Tags.database)
def stored_keys_open(
    app_configs: Any, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """A warning, not an error: the other accounts must not wait for one of them."""
    if not databases:
        return []
    return [
        Warning(
            f"Exchange account {account.pk} ({account}) does not trade:"
            " its stored keys do not open.",
            hint=str(problem),
            id="dantaro_user.W003",
        )
        for account, problem in unreadable_accounts()
    ]
