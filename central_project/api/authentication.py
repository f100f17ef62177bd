"""Who asks: a reader with an API key, or an operator who is logged in to the admin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from central_project.api.models import KEY_MARK, ApiKey
from central_project.api.throttling import refuse_guessing

LAST_USED_STEP: Final = timedelta(minutes=1)
INVALID: Final = (
    "API_KEY_INVALID",
    "The API key is not valid. Check that it was copied whole; ask the operator of the"
    " central server for a new one.",
)
EXPIRED: Final = (
    "API_KEY_EXPIRED",
    "The API key has expired. Ask the operator of the central server for a new one.",
)
IN_ADDRESS: Final = (
    "API_KEY_IN_ADDRESS",
    "Send the key in the header `Authorization: Bearer <API key>`, never in the address:"
    " addresses are written into logs. If this key was real, ask the operator of the"
    " central server to revoke it and issue a new one.",
)
_KEY_NAMES: Final = {"key", "api_key", "apikey", "api-key", "token", "access_token"}
REVOKED: Final = (
    "API_KEY_REVOKED",
    "The API key was revoked. Ask the operator of the central server for a new one.",
)


class KeyHolder(AnonymousUser):
    """The owner of a valid key: nobody in the user table, yet not anonymous."""

    is_authenticated = True  # type: ignore[assignment]  # a property in the parent

    def __init__(self, name: str) -> None:
        """Carry the key's name for display."""
        super().__init__()
        self._name = name

    def __str__(self) -> str:
        """Return the key's name."""
        return self._name


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer dk_live_...``"""

    def authenticate(self, request: Request) -> tuple[KeyHolder, ApiKey] | None:
        """Return the key's holder; None without a Bearer header; raise for a bad key."""
        _refuse_in_query(request)
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            key = key_in_use(text.strip(), now=timezone.now())
        except AuthenticationFailed:
            # Only failures count, so a stranger's guesses never lock out a good key.
            refuse_guessing(request)
            raise
        return KeyHolder(key.name), key

    def authenticate_header(self, request: Request) -> str:
        """Make a missing or bad key 401, with the scheme to use."""
        return 'Bearer realm="central"'


class HasKeyOrIsStaff(BasePermission):
    """Readers need a key; operators may look at the same answers in the browser."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Allow a key or a staff session."""
        if isinstance(request.auth, ApiKey):
            return True
        return request.user.is_authenticated and request.user.is_staff


def key_in_use(text: str, /, *, now: datetime) -> ApiKey:
    """Return the key whose text this is and note its use.

    Raises AuthenticationFailed with a code and the remedy.
    """
    key = ApiKey.objects.find(text)
    code, detail = INVALID if key is None else (problem_of(key, now=now) or ("", ""))
    if key is None or code:
        raise AuthenticationFailed(detail=detail, code=code)
    if not is_use_noted(key, now=now):
        _note_use(key, now)
    return key


def problem_of(key: ApiKey, /, *, now: datetime) -> tuple[str, str] | None:
    """Return (code, remedy) for a key that opens nothing now; only its owner hears it."""
    if key.revoked_at is not None:
        return REVOKED
    return EXPIRED if key.is_expired(now=now) else None


def is_use_noted(key: ApiKey, /, *, now: datetime) -> bool:
    """Tell whether the last minute's note covers a use at *now*: a read costs no write."""
    return key.last_used_at is not None and now - key.last_used_at < LAST_USED_STEP


def _note_use(key: ApiKey, now: datetime, /) -> None:
    unused = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
    ApiKey.objects.filter(unused, pk=key.pk).update(last_used_at=now)
    key.last_used_at = now


def _refuse_in_query(request: Request, /) -> None:
    """Refuse a key in the address: proxies and browsers write addresses down."""
    words = [
        word for pair in request.query_params.lists() for word in (pair[0], *pair[1])
    ]
    names = {name.lower() for name in request.query_params}
    if names & _KEY_NAMES or any(KEY_MARK in word for word in words):
        code, detail = IN_ADDRESS
        raise AuthenticationFailed(detail=detail, code=code)
