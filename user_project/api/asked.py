"""The query of a request, checked."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request


def asked(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the values; raise ValidationError naming the field."""
    form = serializer(data=request.query_params)
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values
