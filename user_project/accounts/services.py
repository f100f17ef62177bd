"""Create and check exchange accounts; hand out adapters bound to one account."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from threading import Lock
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from user_project.accounts import key_reports
from user_project.accounts.hosts import host_problem
from user_project.accounts.keys import (
    ExchangeKeys,
    KeysUnreadable,
    open_keys,
    seal_keys,
)
from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.exchanges.adapter import (
    ExchangeAdapter,
    ExchangeError,
    KeyRefused,
    KeyReport,
)
from user_project.exchanges.registry import EXCHANGES, build_adapter

log = logging.getLogger(__name__)

NAME_LENGTH: Final = 60
KEYS_UNREADABLE: Final = "KEYS_UNREADABLE"
WRONG_HOST: Final = "WRONG_HOST"
KEY_PROBLEMS: Final = frozenset({"KEY_REFUSED", "KEY_CAN_WITHDRAW"})
"""Noted, because only the exchange can say that they are over. Whether keys open is seen
anew each time: the right KEK must not have to wait for tomorrow's check."""
_adapters: dict[tuple[int, str], tuple[object, ExchangeAdapter]] = {}
_adapters_lock: Final = Lock()


class AccountProblem(Exception):
    """Why an account cannot be used; the message names the remedy, in Korean."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


def create_account(
    *,
    owner: Any,
    name: str,
    mode: str,
    base_url: str,
    access_key: str,
    secret_key: str,
    now: datetime,
    exchange: str = "upbit",
) -> ExchangeAccount:
    """Check the keys against the exchange, then save them sealed; else save nothing."""
    name = _checked_name(owner=owner, name=name)
    _check_mode(exchange=exchange, mode=mode, base_url=base_url)
    if mode == AccountMode.LIVE and not settings.LIVE_TRADING:
        raise AccountProblem(
            "LIVE_OFF",
            _(
                "이 서버는 실전투자가 꺼져 있습니다. 운영자가 DANTARO_LIVE_TRADING=1로 켠 뒤에 실전투자 계정을 만드세요."
            ),
            field="mode",
        )
    access_key = _checked_key(access_key, field="access_key")
    secret_key = _checked_key(secret_key, field="secret_key")
    account = ExchangeAccount(
        owner=owner,
        name=name,
        mode=mode,
        exchange=exchange,
        base_url=base_url.rstrip("/"),
        access_key_last4=access_key[-4:],
    )
    keys = ExchangeKeys(access_key=access_key, secret_key=secret_key)
    report = _ask(account=account, keys=keys, now=now)
    account.sealed_keys = seal_keys(account=account, keys=keys)
    account.key_expires_at = report.expires_at
    account.key_checked_at = now
    try:
        with transaction.atomic():
            account.save(force_insert=True)
    except IntegrityError as error:
        raise _name_taken(name) from error
    return account


def check_account(*, account: ExchangeAccount, now: datetime) -> KeyReport:
    """Test the stored keys; a pass clears an earlier key problem.

    An exchange that does not answer says nothing about the keys: then nothing changes.
    """
    _check_mode(exchange=account.exchange, mode=account.mode, base_url=account.base_url)
    try:
        report = _ask(account=account, keys=_open(account), now=now)
    except AccountProblem as problem:
        if problem.code in KEY_PROBLEMS:
            _note(account, key_problem=problem.message[:200])
        raise
    _note(
        account,
        key_problem="",
        key_expires_at=report.expires_at,
        key_checked_at=now,
    )
    return report


def replace_keys(
    *, account: ExchangeAccount, access_key: str, secret_key: str, now: datetime
) -> ExchangeAccount:
    """Test new keys, then seal them in place of the old; a failed test changes nothing."""
    keys = ExchangeKeys(
        access_key=_checked_key(access_key, field="access_key"),
        secret_key=_checked_key(secret_key, field="secret_key"),
    )
    report = _ask(account=account, keys=keys, now=now)
    _note(
        account,
        sealed_keys=seal_keys(account=account, keys=keys),
        access_key_last4=keys.access_key[-4:],
        key_expires_at=report.expires_at,
        key_checked_at=now,
        key_problem="",
    )
    return account


def set_caps(
    *,
    account: ExchangeAccount,
    cap_budget: Decimal | None,
    cap_coin: Decimal | None,
    cap_cycles: int | None,
) -> ExchangeAccount:
    """Bound what the account's open rounds may take; None is no bound."""
    _note(account, cap_budget=cap_budget, cap_coin=cap_coin, cap_cycles=cap_cycles)
    return account


def check_all(*, now: datetime) -> None:
    """Test the keys of every usable account; one's trouble must not hide another's."""
    for account in ExchangeAccount.objects.usable():
        try:
            days = check_account(account=account, now=now).days_left(now=now)
        except AccountProblem as problem:
            log.warning("account %s: %s: %s", account.pk, problem.code, problem.message)
        else:
            if days is not None and days <= key_reports.WARN_DAYS:
                log.warning("account %s: its key expires in %s days", account.pk, days)


def adapter_for(*, account: ExchangeAccount) -> ExchangeAdapter:
    """Return this process's adapter for the account's address and present keys."""
    _check_mode(exchange=account.exchange, mode=account.mode, base_url=account.base_url)
    # A forked worker must not share its parent's connections.
    place = (os.getpid(), str(account.pk))
    version = (account.exchange, account.base_url, bytes(account.sealed_keys))
    with _adapters_lock:
        kept = _adapters.get(place)
        if kept is None or kept[0] != version:
            kept = (version, _build(account=account, keys=_open(account)))
            _adapters[place] = kept
    return kept[1]


def _note(account: ExchangeAccount, **changes: Any) -> None:
    ExchangeAccount.objects.filter(pk=account.pk).update(**changes)
    for name, value in changes.items():
        setattr(account, name, value)


def _checked_name(*, owner: Any, name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME_LENGTH:
        raise AccountProblem(
            "INVALID_NAME",
            (
                _("계정 이름은 1자에서 %(NAME_LENGTH)s자까지입니다.")
                % {"NAME_LENGTH": NAME_LENGTH}
            ),
            field="name",
        )
    if ExchangeAccount.objects.for_user(owner).filter(name=name).exists():
        raise _name_taken(name)
    return name


def _name_taken(name: str) -> AccountProblem:
    return AccountProblem(
        "NAME_TAKEN",
        (_("'%(name)s' 계정이 이미 있습니다. 다른 이름을 쓰세요.") % {"name": name}),
        field="name",
    )


def _checked_key(key: str, *, field: str) -> str:
    key = key.strip()
    if not key:
        raise AccountProblem(
            "KEYS_MISSING", _("Access key와 Secret key를 모두 입력하세요."), field=field
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AccountProblem(
            "KEY_MALFORMED",
            _("키에 쓸 수 없는 글자가 있습니다. 거래소에서 그대로 복사해 넣으세요."),
            field=field,
        )
    return key


def _build(*, account: ExchangeAccount, keys: ExchangeKeys) -> ExchangeAdapter:
    return build_adapter(
        exchange=account.exchange,
        base_url=account.base_url,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        rate_factor=settings.RATE_FACTOR,
        redis_url=settings.REDIS_URL,
        pocket=str(account.pk),
    )


def _open(account: ExchangeAccount) -> ExchangeKeys:
    try:
        return open_keys(account=account)
    except KeysUnreadable as error:
        raise AccountProblem(KEYS_UNREADABLE, str(error)) from error


def _check_mode(*, exchange: str, mode: str, base_url: str) -> None:
    if exchange not in EXCHANGES:
        known = ", ".join(sorted(EXCHANGES))
        raise AccountProblem(
            "UNKNOWN_EXCHANGE",
            (_("쓸 수 있는 거래소: %(known)s") % {"known": known}),
            field="exchange",
        )
    problem = host_problem(mode=mode, base_url=base_url)
    if problem:
        raise AccountProblem(WRONG_HOST, problem, field="base_url")


def _ask(*, account: ExchangeAccount, keys: ExchangeKeys, now: datetime) -> KeyReport:
    try:
        with closing(_build(account=account, keys=keys)) as adapter:
            report = adapter.check_key()
    except KeyRefused as error:
        raise _key_refused(error.name or str(error)) from error
    except ExchangeError as error:
        raise AccountProblem(
            "EXCHANGE_UNREACHABLE",
            (
                _(
                    "%(base_url)s 에서 답을 받지 못해 키를 확인하지 못했습니다. 거래소 주소와 네트워크를 확인하고 다시 하세요."
                )
                % {"base_url": account.base_url}
            ),
            field="base_url",
        ) from error
    if not report.accepted:
        raise _key_refused(report.message, egress=report.egress)
    if report.expires_at is not None and report.expires_at <= now:
        raise _key_refused("expired_access_key")
    if missing := key_reports.missing(report):
        raise AccountProblem("KEY_REFUSED", missing, field="access_key")
    if excess := key_reports.excess(report):
        raise AccountProblem("KEY_CAN_WITHDRAW", excess, field="access_key")
    return report


def _key_refused(reason: str, *, egress: str = "") -> AccountProblem:
    name = reason.partition(":")[0]
    text = key_reports.refusal(name=name, egress=egress)
    return AccountProblem("KEY_REFUSED", text, field="access_key")
