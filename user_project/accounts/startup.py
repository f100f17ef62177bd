"""What every process says when it starts: do the stored exchange keys open?"""

from __future__ import annotations

import logging

from django.db import DatabaseError, InterfaceError

from user_project.accounts.keys import KeysUnreadable, open_keys
from user_project.accounts.models import ExchangeAccount

log = logging.getLogger(__name__)


def say_unreadable_keys() -> list[str]:
    """Log every account whose keys do not open and return their names.

    A changed DANTARO_KEYS_KEK would otherwise show as an account that is never compared
    again. The other accounts go on: nobody refuses to start for one of them.
    """
    try:
        return [str(account) for account in _accounts() if _is_unreadable(account)]
    except (DatabaseError, InterfaceError):
        return []  # who waits for the database says so


def _accounts() -> list[ExchangeAccount]:
    return list(ExchangeAccount.objects.all())


def _is_unreadable(account: ExchangeAccount, /) -> bool:
    try:
        open_keys(account=account)
    except KeysUnreadable as problem:
        log.error(
            "account %s (%s) does not trade: %s DANTARO_KEYS_KEK_OLD와"
            " `manage_user.py rotate_keks`로 옮길 수도 있습니다.",
            account.pk,
            account.name,
            problem,
        )
        return True
    return False
