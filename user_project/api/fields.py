"""Decimals on the wire: exact text out, text or exact JSON numbers in."""

from __future__ import annotations

import codecs
import json
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import IO, Any, Final

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from common.money import plain

WIDE: Final = Context(prec=60)


@extend_schema_field(OpenApiTypes.DECIMAL)
class DecimalText(serializers.DecimalField):
    """A decimal written without exponent and without trailing zeros."""

    def __init__(self, *, shown_places: int | None = None, **options: Any) -> None:
        """Accept any size and scale; *shown_places* rounds what was divided."""
        self.shown_places = shown_places
        options.setdefault("max_digits", None)
        options.setdefault("decimal_places", None)
        super().__init__(**options)

    def to_representation(self, value: Decimal | None) -> str | None:  # type: ignore[override]  # always text
        """Return ``0.00001``, never ``1E-5``."""
        if value is None:
            return None
        if self.shown_places is not None:
            step = Decimal(1).scaleb(-self.shown_places)
            value = value.quantize(step, rounding=ROUND_HALF_UP, context=WIDE)
        return plain(value)


def _no_constants(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class ExactJSONParser(JSONParser):
    """JSON whose numbers never pass through a float: 1.1 arrives as 1.1."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        """Read the body; raise ParseError for anything that is not JSON."""
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            return json.load(
                codecs.getreader(encoding)(stream),
                parse_float=Decimal,
                parse_constant=_no_constants,
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(f"JSON parse error - {error}") from error
