"""What nobody outside Upbit knows for certain, each with a switch.

A client should work under every choice. The defaults are the likeliest reading of the
documents; `--assume name=value` and the admin endpoint choose another.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, Self, get_args, get_type_hints


class UnknownAssumption(ValueError):
    """No such switch or no such choice; the message lists those there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """One choice for each open question about the exchange."""

    smp_default: Literal["cancel_maker", "none"] = "cancel_maker"
    """What an order without `smp_type` gets (announced for 2026-11-09)."""
    stable_tick: Literal["half", "table"] = "half"
    """Tick of KRW-USDT and KRW-USDC from 1,000 to 10,000 won: 0.5 or the table's."""
    limit_body: Literal["error", "flat", "text"] = "error"
    """Body of 429 and 418: `{"error": {...}}`, `{"name": ...}` or plain text."""
    group_names: Literal["plain", "dotted"] = "plain"
    """`Remaining-Req` says `group=order` or `group=exchange.order`."""
    bodies: Literal["lenient", "strict"] = "lenient"
    """Parameters of GET and DELETE in a body: read, or refused."""
    burn_refused: Literal["no", "yes"] = "no"
    """Whether a refused order uses its identifier up."""
    burn_tested: Literal["no", "yes"] = "no"
    """Whether a test order uses its identifier up."""
    lookup_lag: Literal["none", "short", "long"] = "none"
    """A new order cannot be looked up for 0, 0.5 or 5 seconds."""
    executed_funds: Literal["absent", "present"] = "absent"
    """Whether orders carry `executed_funds`."""
    old_orders: Literal["served", "gone"] = "served"
    """Whether the deprecated GET /v1/orders still answers."""
    second_subscription: Literal["replaces", "adds"] = "replaces"
    """What a second WebSocket subscription message does to the first."""
    stream_error: Literal["closes", "stays"] = "closes"
    """What a refused WebSocket request does to its connection."""
    unknown_code: Literal["silent", "error"] = "silent"
    """Answer to a WebSocket subscription with a code that there is not."""
    numbers: Literal["short", "padded"] = "short"
    """Amounts as `1` or as `1.00000000`."""
    cancel_finished: Literal["not_found", "bad_request"] = "not_found"
    """Answer to cancelling a finished order: 404 or 400."""
    resumption: Literal["cancels_crossing", "keeps"] = "cancels_crossing"
    """What the end of a maintenance does to orders that would trade at once."""
    check_order: Literal["funds_last", "funds_first"] = "funds_last"
    """Which error an order with several gets."""
    absent_amounts: Literal["absent", "null"] = "absent"
    """Whether price or volume that does not apply is left out or null."""
    created_at: Literal["seconds", "microseconds"] = "seconds"
    """Precision of `created_at` in the answer to a new order."""

    def choosing(self, *, name: str, value: str) -> Self:
        """Return these with one choice changed; raises UnknownAssumption."""
        if name not in CHOICES:
            raise UnknownAssumption(
                f"no assumption {name!r}; there are {', '.join(CHOICES)}"
            )
        if value not in CHOICES[name]:
            raise UnknownAssumption(
                f"{name} can be {' or '.join(CHOICES[name])}, not {value!r}"
            )
        change: dict[str, Any] = {name: value}
        return replace(self, **change)


_HINTS: Final = get_type_hints(Assumptions)
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    field.name: get_args(_HINTS[field.name]) for field in fields(Assumptions)
}
"""Every switch and its choices, the default first."""
