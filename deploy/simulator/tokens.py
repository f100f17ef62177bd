"""JSON web tokens as Upbit's clients make them: HS256 or HS512, nothing else.

Read here because a general library spends more time on a token than all the rest of a
call takes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any, Final

_ALGORITHMS: Final = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}


class TokenUnreadable(ValueError):
    """The text is no token of a kind that is accepted."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says; nothing of it is to be believed before its signature."""

    claims: dict[str, Any] = field(repr=False)
    _algorithm: str
    _signed: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    def is_signed_with(self, *, secret: str) -> bool:
        """Tell whether the holder of *secret* (plain bytes, not base64) made it."""
        digest = hmac.digest(
            secret.encode(), self._signed, _ALGORITHMS[self._algorithm]
        )
        return hmac.compare_digest(digest, self._signature)


def read_token(text: str, /) -> Token:
    """Return what a token says; raises TokenUnreadable."""
    try:
        raw = text.encode("ascii")
        signed, _, signature = raw.rpartition(b".")
        header, _, claims = signed.partition(b".")
        token = Token(
            claims=_object(claims),
            _algorithm=_object(header)["alg"],
            _signed=signed,
            _signature=_decoded(signature),
        )
        if token._algorithm not in _ALGORITHMS:
            raise TokenUnreadable(f"algorithm {token._algorithm!r} is not accepted")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenUnreadable("not a token signed with HS256 or HS512") from error
    return token


def _decoded(part: bytes) -> bytes:
    # Unlike others, tokens leave the padding out.
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _object(part: bytes) -> dict[str, Any]:
    value = json.loads(_decoded(part))
    if not isinstance(value, dict):
        raise TokenUnreadable("a part of the token is no JSON object")
    return value
