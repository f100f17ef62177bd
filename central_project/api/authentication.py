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

from central_project.api.models import ApiKey
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
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        key = ApiKey.objects.find(text.strip())
        problem = _problem(key, now)
        if key is None or problem is not None:
            code, detail = problem or INVALID
            # Only failures count, so a stranger's guesses never lock out a good key.
            refuse_guessing(request)
            raise AuthenticationFailed(detail=detail, code=code)
        _touch(key, now)
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


def _problem(key: ApiKey | None, now: datetime, /) -> tuple[str, str] | None:
    """Return (code, remedy); what is wrong with a key is told only to who has it whole."""
    if key is None:
        return INVALID
    if key.revoked_at is not None:
        return REVOKED
    return EXPIRED if key.is_expired(now=now) else None


def _touch(key: ApiKey, now: datetime, /) -> None:
    """Note the use, at most once a minute: a read must not cost a write each time."""
    stale = now - LAST_USED_STEP
    if key.last_used_at is None or key.last_used_at < stale:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        ApiKey.objects.filter(unused, pk=key.pk).update(last_used_at=now)
