"""A published run of 250 coins and keys without a felt limit, for benchmarks.

Usage: python -m deploy.bench_central_data KEYS, with the central server's environment;
prints {"keys": [...], "body": the plain answer to GET /recommendations}.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import django
from django.core.management import call_command

COINS: Final = 250
RANKED: Final = 50
RATE: Final = "9999999/60s"
"""Counted exactly, and never reached."""


def main(keys: int) -> int:
    """Fill an empty database and Redis."""
    django.setup()
    call_command("migrate", verbosity=0)
    # By name: the checker's Django plugin knows the settings of one server at a time.
    api: Any = import_module("central_project.api.models")
    answers: Any = import_module("central_project.api.answers")
    rendered: Any = import_module("central_project.api.rendered")

    now = datetime.now(UTC)
    rendered.render_published(_publish(now))
    texts = [api.ApiKey.objects.issue(name=f"{i}", rate=RATE)[1] for i in range(keys)]
    body = answers.recommendations(answers.current_run(now=now), limit=RANKED).plain
    print(json.dumps({"keys": texts, "body": body.decode()}))
    return 0


def _publish(now: datetime) -> Any:
    market: Any = import_module("central_project.market.models")
    run = market.AnalysisRun.objects.create(
        window_start=now.replace(second=0, microsecond=0),
        state=market.RunState.PUBLISHED,
        started_at=now,
        data_as_of=now,
        published_at=now,
        valid_until=now + timedelta(hours=1),
        next_run_at=now + timedelta(minutes=5),
        market_status={
            "phase": "normal",
            "breadth": "0.5312",
            "coins_analysed": COINS,
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
        universe_size=COINS,
        excluded_count=COINS - RANKED,
        settings=market.ScoreSettings.objects.latest("pk"),
    )
    market.SupportLevel.objects.bulk_create(
        [
            market.SupportLevel(
                run=run, market=f"KRW-C{i}", price=1000 + i, levels=_levels(i)
            )
            for i in range(COINS)
        ]
    )
    market.Recommendation.objects.bulk_create(
        [
            _recommendation(market.Recommendation, run, rank)
            for rank in range(1, RANKED + 1)
        ]
    )
    market.Publication.objects.update(current=run)
    return run


def _levels(coin: int) -> dict[str, dict[str, object]]:
    return {
        name: {
            "horizon_days": days,
            "price": str((1000 + coin) * share // 100),
            "raw": f"{(1000 + coin) * share / 100:.4f}",
            "method": "median",
            "candidates": 7,
            "touches": 12,
            "touch_probability": "0.4317",
            "bounce_rate": "0.5833",
            "placebo_rate": "0.5012",
            "degraded": False,
            "reason": None,
        }
        for name, days, share in (
            ("aggressive", 7, 95),
            ("moderate", 30, 90),
            ("conservative", 90, 80),
        )
    }


def _recommendation(model: Any, run: Any, rank: int) -> Any:
    return model(
        run=run,
        rank=rank,
        market=f"KRW-C{rank}",
        korean_name=f"코인 {rank}",
        english_name=f"Coin {rank}",
        price=1000 + rank,
        score=Decimal(95 - rank) + Decimal("0.1234"),
        scores=dict.fromkeys(("technical", "volume", "volatility", "risk"), "61.25"),
        reasons=[{"code": "RSI_LOW", "ko": "RSI 27: 과매도", "en": "RSI 27: oversold"}],
        metrics={"rsi": "27.1", "turnover_24h": "8123456789", "spread": "0.0011"},
        warnings=[],
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
