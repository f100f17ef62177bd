"""Paper and real money are never added up: which of the two is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from user_project.accounts.models import AccountMode
from user_project.bots.models import Bot
from user_project.bots.wording import won

ORDER: Final = (AccountMode.LIVE, AccountMode.PAPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyKind:
    """The kind of money that sums are of."""

    mode: AccountMode
    is_only: bool
    """The owner's bots trade with no other kind."""

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """Return the kinds there are with their names."""
        return tuple((mode.value, str(mode.label)) for mode in self.modes)

    @property
    def modes(self) -> tuple[AccountMode, ...]:
        """Return the kinds there are, real money first."""
        return (self.mode,) if self.is_only else ORDER

    @property
    def mark(self) -> str:
        """Return what a file name of paper money ends with: it is no tax record."""
        return "-paper" if self.mode is AccountMode.PAPER else ""

    @property
    def narrows_to(self) -> AccountMode | None:
        """Return what rows have to be of; None where all of them are."""
        return None if self.is_only else self.mode


def choose_money(*, owner: Any, wanted: str = "") -> MoneyKind:
    """Return the *wanted* kind (``live`` or ``paper``) if the owner's bots have it.

    Otherwise real money, and paper money for whoever has no other.
    """
    bots = Bot.objects.for_user(owner).order_by()
    found = set(bots.values_list("account__mode", flat=True).distinct())
    usual = next((mode for mode in ORDER if mode in found), AccountMode.PAPER)
    mode = AccountMode(wanted) if wanted in found else usual
    return MoneyKind(mode=mode, is_only=len(found) < 2)


def won_by_mode(amounts: Mapping[str, Decimal]) -> str:
    """Write paper and real money apart; where there is one kind, without its name."""
    if len(amounts) < 2:
        return won(sum(amounts.values(), Decimal(0)))
    found = [(mode.label, amounts[mode]) for mode in ORDER if mode in amounts]
    return ", ".join(f"{name} {won(amount)}" for name, amount in found)
