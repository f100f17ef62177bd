"""Order identifiers: deterministic, unique for ever, recognisably ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import Final

from django.conf import settings

PREFIX: Final = "dt1-"


def order_identifier(
    *, bot_id: uuid.UUID, cycle: int, stage: int, side: str, attempt: int
) -> str:
    """Return at most 36 characters of ``[a-z0-9-]``.

    The same inputs give the same identifier after any crash; the instance name keeps
    two installations on one exchange account apart.
    """
    text = f"{settings.INSTANCE}|{bot_id}|{cycle}|{stage}|{side}|{attempt}"
    key = hashlib.sha256(b"order identifier" + settings.KEYS_KEK).digest()
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return PREFIX + base64.b32encode(digest).decode().lower()[:26]


def is_ours(identifier: str | None) -> bool:
    """Tell whether an order on the exchange was made by a Dantaro installation."""
    return identifier is not None and identifier.startswith(PREFIX)
