"""Exchange keys at rest: AES-256-GCM, one data key per row, bound to owner and row."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils.translation import gettext as _

from user_project.accounts.models import ExchangeAccount

VERSION: Final = "v1"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


class KeysUnreadable(Exception):
    """Stored exchange keys do not open; the message names the remedy, in Korean."""


@dataclass(frozen=True, slots=True, repr=False)
class ExchangeKeys:
    """An access and a secret key in memory; never printed, never pickled."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "ExchangeKeys(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("exchange keys are never serialised")


def seal_keys(*, account: ExchangeAccount, keys: ExchangeKeys) -> bytes:
    """Encrypt *keys* so that only this row of this owner can open them."""
    text = json.dumps([keys.access_key, keys.secret_key])
    return seal_text(text, context=_context(account))


def open_keys(*, account: ExchangeAccount) -> ExchangeKeys:
    """Decrypt right before use; raise KeysUnreadable for a moved row or a wrong KEK."""
    text = open_text(bytes(account.sealed_keys), context=_context(account))
    access_key, secret_key = json.loads(text)
    return ExchangeKeys(access_key=access_key, secret_key=secret_key)


def rewrap_keys(*, account: ExchangeAccount, old_kek: bytes) -> bytes | None:
    """Return the envelope wrapped with the present KEK; None when it is already.

    Raises KeysUnreadable when neither KEK opens it.
    """
    sealed = bytes(account.sealed_keys)
    return rewrap_text(sealed, context=_context(account), old_kek=old_kek)


def seal_text(text: str, /, *, context: str) -> bytes:
    """Encrypt any secret so that it opens in its own *context* alone."""
    data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
    wrapped = _encrypt(settings.KEYS_KEK, data_key, f"{context}|key")
    envelope = {
        "version": VERSION,
        "kek": _kek_id(),
        "wrapped": wrapped,
        "sealed": _encrypt(data_key, text.encode(), f"{context}|keys"),
    }
    return json.dumps(envelope).encode()


def open_text(sealed: bytes, /, *, context: str) -> str:
    """Decrypt what `seal_text` made; raise KeysUnreadable in any other context."""
    try:
        envelope = json.loads(sealed)
        if envelope["kek"] != _kek_id():
            raise KeysUnreadable(
                _(
                    "키를 저장할 때와 다른 DANTARO_KEYS_KEK입니다. 그때의 값을 되돌리거나, 그 값을 DANTARO_KEYS_KEK_OLD에 넣고 `manage_user.py rotate_keks`를 하거나, 거래소 키를 다시 입력하세요."
                )
            )
        data_key = _decrypt(settings.KEYS_KEK, envelope["wrapped"], f"{context}|key")
        return _decrypt(data_key, envelope["sealed"], f"{context}|keys").decode()
    except (InvalidTag, ValueError, KeyError, TypeError) as error:
        raise KeysUnreadable(
            _(
                "저장된 키가 손상되었거나 다른 계정의 것입니다. 거래소 키를 다시 입력하세요."
            )
        ) from error


def rewrap_text(sealed: bytes, /, *, context: str, old_kek: bytes) -> bytes | None:
    """Wrap an envelope's data key with the present KEK; None when it is already.

    Only the data key is opened, never the secret. Raises KeysUnreadable when neither KEK
    opens it.
    """
    try:
        envelope = json.loads(sealed)
        if envelope["kek"] == _kek_id():
            return None
        data_key = _decrypt(old_kek, envelope["wrapped"], f"{context}|key")
    except (InvalidTag, ValueError, KeyError, TypeError) as error:
        raise KeysUnreadable(
            _(
                "DANTARO_KEYS_KEK_OLD로 열리지 않습니다. 키를 저장할 때의 값을 넣거나 거래소 키를 다시 입력하세요."
            )
        ) from error
    envelope["kek"] = _kek_id()
    envelope["wrapped"] = _encrypt(settings.KEYS_KEK, data_key, f"{context}|key")
    return json.dumps(envelope).encode()


def _kek_id() -> str:
    """Name the key-encrypting key without telling anything about it."""
    return hashlib.sha256(b"dantaro kek id|" + settings.KEYS_KEK).hexdigest()[:12]


def _context(account: ExchangeAccount) -> str:
    """Authenticated with the text: a row copied to another owner does not open."""
    parts = ("exkey", VERSION, account.owner_id, account.pk, account.exchange)
    return "|".join(map(str, parts))


def _encrypt(key: bytes, text: bytes, context: str) -> str:
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, text, context.encode())
    return base64.b64encode(nonce + sealed).decode()


def _decrypt(key: bytes, sealed: str, context: str) -> bytes:
    raw = base64.b64decode(sealed)
    nonce, text = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    return AESGCM(key).decrypt(nonce, text, context.encode())
