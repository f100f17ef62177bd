"""A POST that carries an ``Idempotency-Key`` is carried out once, however often sent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from user_project.api.models import IdempotentRequest

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
LONGEST: Final = 64
KEPT: Final = timedelta(hours=24)
GIVEN_UP: Final = timedelta(seconds=60)
"""A first request without an answer for so long has died with its server."""


class Replayed(Exception):
    """The request was answered before."""

    def __init__(self, stored: IdempotentRequest) -> None:
        super().__init__(stored.key)
        self.stored = stored


class InProgress(APIException):
    """The first request with this key is still being answered."""

    status_code = 409
    default_code = "idempotency_in_progress"
    wait = 1


class KeyReused(APIException):
    """The key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"


class IdempotentPosts:
    """Mixin of views: answers repeated POSTs from what was kept."""

    _claimed: IdempotentRequest | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Claim the key once the caller is known."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key = request.headers.get(HEADER)
        if request.method == "POST" and key is not None:
            self._claimed = _claim(request, key)

    def handle_exception(self, exc: Exception) -> Response:
        """Return the kept answer of a repeated request."""
        if not isinstance(exc, Replayed):
            return super().handle_exception(exc)  # type: ignore[misc,no-any-return]
        body = json.loads(exc.stored.body) if exc.stored.body else None
        return Response(body, status=exc.stored.status, headers={REPLAYED: "true"})

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Keep the answer; what failed on our side may be tried again."""
        final: Response = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        if self._claimed is not None:
            _keep(self._claimed, final)
        return final


def _claim(request: Request, key: str) -> IdempotentRequest:
    if not 0 < len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        text = _("Idempotency-Key는 1~64자의 영문·숫자·기호로 보내세요.")
        raise ValidationError({HEADER: [text]}, code="invalid_idempotency_key")
    now = timezone.now()
    owner: Any = request.user
    mine = IdempotentRequest.objects.filter(owner=owner)
    mine.filter(at__lt=now - KEPT).delete()
    fingerprint = _fingerprint(request)
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(
                owner=owner, key=key, request_sha256=fingerprint
            )
    except IntegrityError:
        return _known(mine.get(key=key), fingerprint=fingerprint)


def _known(stored: IdempotentRequest, *, fingerprint: str) -> IdempotentRequest:
    if stored.request_sha256 != fingerprint:
        raise KeyReused(
            _("이 Idempotency-Key는 다른 요청에 썼습니다. 새 키로 다시 보내세요.")
        )
    if stored.status is not None:
        raise Replayed(stored)
    waiting = IdempotentRequest.objects.filter(pk=stored.pk, status=None)
    if not waiting.filter(at__lt=timezone.now() - GIVEN_UP).update(at=timezone.now()):
        raise InProgress(
            _("같은 Idempotency-Key의 요청을 처리하고 있습니다. 잠시 뒤 다시 보내세요.")
        )
    return stored


def _fingerprint(request: Request) -> str:
    """Keyed: a body may hold secrets that a plain hash would let somebody guess."""
    text = json.dumps(
        [request.method, request.get_full_path(), request.data],
        sort_keys=True,
        default=str,
    )
    return salted_hmac("idempotent request", text, algorithm="sha256").hexdigest()


def _keep(claimed: IdempotentRequest, response: Response) -> None:
    if response.status_code >= 500:
        claimed.delete()
        return
    claimed.status = response.status_code
    claimed.body = json.dumps(response.data, cls=JSONEncoder, ensure_ascii=False)
    claimed.save(update_fields=("status", "body"))
