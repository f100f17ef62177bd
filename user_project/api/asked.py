"""The query of a request, checked."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


def asked(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the values; raise ValidationError naming the field.

    An empty value is refused: taken for no filter, it would show everything.
    """
    for name in serializer().fields:
        if request.query_params.get(name) == "":
            raise ValidationError({name: _("값을 넣거나 항목을 빼세요.")})
    form = serializer(data=request.query_params)
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values
