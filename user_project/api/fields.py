"""Decimals on the wire: text without exponents."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.money import plain

WIDE: Final = Context(prec=60)


@extend_schema_field({"type": "string", "format": "decimal"})
class DecimalText(serializers.DecimalField):
    """A decimal written without exponent and without trailing zeros."""

    def __init__(self, *, shown_places: int | None = None, **options: Any) -> None:
        """Accept any size and scale; *shown_places* rounds what was divided."""
        self.shown_places = shown_places
        options.setdefault("max_digits", None)
        options.setdefault("decimal_places", None)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Decimal:
        """Refuse exponents: a slip of the hand would move the decimal point."""
        if isinstance(data, str) and "e" in data.lower():
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Decimal | None) -> str | None:  # type: ignore[override]  # always text
        """Return ``0.00001``, never ``1E-5``."""
        if value is None:
            return None
        if self.shown_places is not None:
            step = Decimal(1).scaleb(-self.shown_places)
            value = value.quantize(step, rounding=ROUND_HALF_UP, context=WIDE)
        return plain(value)
