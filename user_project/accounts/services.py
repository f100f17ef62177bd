"""Create and check exchange accounts; hand out adapters bound to one account."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

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
    _check_mode(exchange=exchange, mode=mode, base_url=base_url)
    if not access_key or not secret_key:
        raise AccountProblem(
            "KEYS_MISSING",
            "Access key와 Secret key를 모두 입력하세요.",
            field="access_key",
        )
    account = ExchangeAccount(
        owner=owner,
        name=name,
        mode=mode,
        exchange=exchange,
        base_url=base_url.rstrip("/"),
        access_key_last4=access_key[-4:],
    )
    keys = ExchangeKeys(access_key=access_key, secret_key=secret_key)
    report = _ask(account=account, keys=keys)
    account.sealed_keys = seal_keys(account=account, keys=keys)
    account.key_expires_at = report.expires_at
    try:
        with transaction.atomic():
            account.save(force_insert=True)
    except IntegrityError as error:
        raise AccountProblem(
            "NAME_TAKEN",
            f"'{name}' 계정이 이미 있습니다. 다른 이름을 쓰세요.",
            field="name",
        ) from error
    return account


def check_account(*, account: ExchangeAccount, now: datetime) -> KeyReport:
    """Test the stored keys; a pass clears an earlier key problem."""
    try:
        report = _ask(account=account, keys=_open(account))
    except AccountProblem as problem:
        ExchangeAccount.objects.filter(pk=account.pk).update(
            key_problem=problem.message[:200]
        )
        raise
    ExchangeAccount.objects.filter(pk=account.pk).update(
        key_problem="", key_expires_at=report.expires_at
    )
    return report


def adapter_for(*, account: ExchangeAccount) -> ExchangeAdapter:
    """Return this process's adapter for the account's present keys."""
    _check_mode(exchange=account.exchange, mode=account.mode, base_url=account.base_url)
    return _cached_adapter(
        str(account.pk), account.base_url, bytes(account.sealed_keys)
    )


@lru_cache(maxsize=64)
def _cached_adapter(pk: str, base_url: str, sealed_keys: bytes) -> ExchangeAdapter:
    account = ExchangeAccount.objects.get(pk=pk)
    return _build(account=account, keys=_open(account))


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
        raise AccountProblem(
            "KEYS_UNREADABLE",
            "저장된 키를 열 수 없습니다. 저장할 때의 DANTARO_KEYS_KEK를 되돌리거나"
            " 키를 다시 입력하세요.",
        ) from error


def _check_mode(*, exchange: str, mode: str, base_url: str) -> None:
    if exchange not in EXCHANGES:
        known = ", ".join(sorted(EXCHANGES))
        raise AccountProblem(
            "UNKNOWN_EXCHANGE", f"쓸 수 있는 거래소: {known}", field="exchange"
        )
    problem = host_problem(mode=mode, base_url=base_url)
    if problem:
        raise AccountProblem("WRONG_HOST", problem, field="base_url")
    if mode != AccountMode.PAPER:
        raise AccountProblem(
            "LIVE_NOT_AVAILABLE",
            "실전투자는 아직 쓸 수 없습니다. 모의투자 계정을 쓰세요.",
            field="mode",
        )


def _ask(*, account: ExchangeAccount, keys: ExchangeKeys) -> KeyReport:
    try:
        report = _build(account=account, keys=keys).check_key()
    except KeyRefused as error:
        raise AccountProblem(
            "KEY_REFUSED",
            f"거래소가 키를 거부했습니다 ({error.name or error}). 키가 맞는지, 만료되지"
            " 않았는지, 허용 IP와 권한(자산조회·주문조회·주문하기)을 확인하세요.",
            field="access_key",
        ) from error
    except ExchangeError as error:
        raise AccountProblem(
            "EXCHANGE_UNREACHABLE",
            f"{account.base_url} 에 연결할 수 없어 키를 확인하지 못했습니다."
            " 주소와 네트워크를 확인하고 다시 하세요.",
            field="base_url",
        ) from error
    if report.withdraw_refused is False:
        raise AccountProblem(
            "KEY_CAN_WITHDRAW",
            "이 키로 출금 정보를 볼 수 있습니다. 출금 권한이 없는 키를 새로 만드세요.",
            field="access_key",
        )
    return report
