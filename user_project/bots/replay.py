"""Make an old decision again: the plan from what was kept, the order from its facts."""

from __future__ import annotations

import json
from dataclasses import dataclass

from common.money import plain
from user_project.bots.frozen_plan import UnreadablePlan, replan, written_stages
from user_project.bots.models import Order
from user_project.trading import record
from user_project.trading.decide import decide
from user_project.trading.facts import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What was kept and what comes out now, as the same kind of text."""

    subject: str
    kept: str
    again: str
    problem: str = ""
    """Why it cannot be made again by this version; then nothing is compared."""

    @property
    def equal(self) -> bool:
        """Tell whether every byte is the same."""
        return not self.problem and self.kept == self.again


def replay(*, order: Order) -> list[Replay]:
    """Make the round's plan and the order's decision again, byte for byte."""
    return [_plan(order), _decision(order)]


def _plan(order: Order) -> Replay:
    frozen = order.cycle.plan
    kept = json.dumps(frozen.get("stages"), sort_keys=True)
    try:
        again = json.dumps(written_stages(replan(frozen)), sort_keys=True)
    except UnreadablePlan as error:
        return Replay(subject="plan", kept=kept, again="", problem=str(error))
    return Replay(subject="plan", kept=kept, again=again)


def _decision(order: Order) -> Replay:
    kept = _written(order)
    if order.decided_on is None:
        return Replay(
            subject="order", kept=kept, again="", problem="its facts were not kept"
        )
    try:
        decision = decide(**record.load(order.decided_on))
    except record.UnreadableRecord as error:
        return Replay(subject="order", kept=kept, again="", problem=str(error))
    places = [
        _placed(action)
        for action in decision.actions
        if isinstance(action, Place)
        and (action.stage, action.side) == (order.stage, order.side)
    ]
    return Replay(subject="order", kept=kept, again="\n".join(places))


def _written(order: Order) -> str:
    return _text(
        {
            "stage": order.stage,
            "side": order.side,
            "kind": order.kind,
            "attempt": order.attempt,
            "price": order.price and plain(order.price),
            "volume": order.requested_volume and plain(order.requested_volume),
            "funds": order.funds and plain(order.funds),
        }
    )


def _placed(place: Place) -> str:
    return _text(
        {
            "stage": place.stage,
            "side": place.side.value,
            "kind": place.kind.value,
            "attempt": place.attempt,
            "price": place.price and plain(place.price),
            "volume": place.volume and plain(place.volume),
            "funds": place.funds and plain(place.funds),
        }
    )


def _text(values: dict[str, object]) -> str:
    return json.dumps(values, sort_keys=True)
