"""What every process says when it starts: do the stored exchange keys open?"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError

from user_project.accounts.keys import KeysUnreadable, open_keys
from user_project.accounts.models import ExchangeAccount

log = logging.getLogger(__name__)


def say_unreadable_keys() -> list[str]:
    """Log every account whose keys do not open and return their names.

    A changed DANTARO_KEYS_KEK would otherwise show as an account that is never compared
    again. The other accounts go on: nobody refuses to start for one of them.
    """
    found = unreadable_accounts()
    for account, problem in found:
        log.error("account %s (%s) does not trade: %s", account.pk, account, problem)
    return [str(account) for account, _ in found]


def unreadable_accounts() -> list[tuple[ExchangeAccount, KeysUnreadable]]:
    """Return accounts whose keys do not open, and why; none while nobody can tell.

    The reasons name the remedy and nothing that is secret.
    """
    try:
        return list(_unreadable())
    except (DatabaseError, InterfaceError):
        return []  # who waits for the database, or migrates it, says so


def _unreadable() -> Iterator[tuple[ExchangeAccount, KeysUnreadable]]:
    for account in ExchangeAccount.objects.all():
        try:
            open_keys(account=account)
        except KeysUnreadable as problem:
            yield account, problem
