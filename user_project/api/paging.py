"""Pages of rows by limit and offset."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

LONGEST = 500


class CheckedPages(LimitOffsetPagination):
    """At most 500 rows; a limit or offset that is no number is refused, not ignored."""

    max_limit = LONGEST

    def get_limit(self, request: Request) -> int | None:
        """Return how many rows are asked for."""
        self._check(request, self.limit_query_param, lowest=1)
        return super().get_limit(request)

    def get_offset(self, request: Request) -> int:
        """Return how many rows to leave out."""
        self._check(request, self.offset_query_param, lowest=0)
        return super().get_offset(request)

    def _check(self, request: Request, name: str, *, lowest: int) -> None:
        for given in request.query_params.getlist(name):
            if not (given.isascii() and given.isdecimal()) or int(given) < lowest:
                raise ValidationError(
                    {name: _("%(n)s 이상의 정수를 보내세요.") % {"n": lowest}}
                )

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the bounds, too."""
        described: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in described:
            is_limit = parameter["name"] == self.limit_query_param
            parameter["schema"]["minimum"] = 1 if is_limit else 0
        return described
