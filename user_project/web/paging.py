"""Pages of long histories, whose end nobody counts."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from django.core.paginator import Paginator

MOST: Final = 1000
"""Rows that can be paged through, newest first; older ones are narrowed to or taken as a
file. Counting and skipping 100,000 rows would cost more than the page."""


class NewestRows(Paginator):  # type: ignore[type-arg]
    """A paginator that counts no further than MOST."""

    @cached_property
    def _seen(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MOST + 1].count())

    @property
    def count(self) -> int:
        """Return how many rows can be paged through."""
        return min(self._seen, MOST)

    @property
    def is_cut(self) -> bool:
        """Tell whether there are older rows."""
        return self._seen > MOST
