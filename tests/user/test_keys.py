"""Exchange keys at rest: only their own row and this server's key open them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any
from uuid import uuid4

import pytest

from tests.user.factories import make_account, make_user
from user_project.accounts.keys import (
    ExchangeKeys,
    KeysUnreadable,
    open_keys,
    seal_keys,
)
from user_project.accounts.models import ExchangeAccount

KEYS = ExchangeKeys(access_key="ACCESS-canary", secret_key="SECRET-canary")

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> ExchangeAccount:
    account = make_account(make_user("민수"))
    account.sealed_keys = seal_keys(account=account, keys=KEYS)
    account.save()
    return ExchangeAccount.objects.get(pk=account.pk)


def test_keys_come_back_as_they_were(account: ExchangeAccount) -> None:
    assert open_keys(account=account) == KEYS


def test_the_stored_text_shows_neither_key(account: ExchangeAccount) -> None:
    assert b"canary" not in bytes(account.sealed_keys)


def test_the_same_keys_never_look_the_same(account: ExchangeAccount) -> None:
    again = seal_keys(account=account, keys=KEYS)

    assert again != bytes(account.sealed_keys)


@pytest.mark.parametrize("part", ["owner", "row", "exchange"])
def test_keys_moved_to_another_row_do_not_open(
    account: ExchangeAccount, part: str
) -> None:
    if part == "owner":
        account.owner = make_user("도둑")
    elif part == "row":
        account.pk = uuid4()
    else:
        account.exchange = "other"

    with pytest.raises(KeysUnreadable, match="다른 계정"):
        open_keys(account=account)


def test_another_key_encryption_key_is_named(
    account: ExchangeAccount, settings: Any
) -> None:
    settings.KEYS_KEK = bytes(32)

    with pytest.raises(KeysUnreadable, match="DANTARO_KEYS_KEK"):
        open_keys(account=account)


@pytest.mark.parametrize(
    "damaged", [b"", b"garbage", b"[]", b"null", b'{"kek": 1}', b"\xff\xfe"]
)
def test_damaged_rows_say_so(account: ExchangeAccount, damaged: bytes) -> None:
    account.sealed_keys = damaged

    with pytest.raises(KeysUnreadable):
        open_keys(account=account)


@pytest.mark.parametrize("field", ["wrapped", "sealed"])
def test_a_changed_byte_is_noticed(account: ExchangeAccount, field: str) -> None:
    envelope = json.loads(bytes(account.sealed_keys))
    text = envelope[field]
    envelope[field] = ("B" if text[0] == "A" else "A") + text[1:]
    account.sealed_keys = json.dumps(envelope).encode()

    with pytest.raises(KeysUnreadable):
        open_keys(account=account)


def test_keys_in_memory_are_neither_printed_nor_copied() -> None:
    assert "canary" not in f"{KEYS} {KEYS!r} {[KEYS]}"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(KEYS)
