"""Several processes at the exchange's real limits: never refused, and hardly slower."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from common.upbit import LIMITS_PER_SECOND
from tests.system.simulator_process import running

ROOT = Path(__file__).resolve().parents[2]
WORKERS, CALLS = 3, 16
LIMIT = LIMITS_PER_SECOND["candle"]


def test_all_processes_together_stay_within_the_limit(settings: Any) -> None:
    with running("--faults", "--markets", "2") as exchange:
        workers = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.central.reading_worker"),
                    *(exchange.url, settings.REDIS_URL, str(CALLS)),
                ],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(WORKERS)
        ]
        for worker in workers:  # each is ready once it reads its line
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate(timeout=120)[0] for worker in workers]
        record = exchange.public("/simulator/requests").json()

    usages = [json.loads(answer) for answer in answers]
    calls = [call for call in record if "/candles/" in call["path"]]
    times = sorted(call["at_ms"] for call in calls)
    seconds = [late - first for first, late in zip(times, times[LIMIT:], strict=False)]
    assert [usage["refused"] for usage in usages] == [0] * WORKERS
    assert {call["status"] for call in calls} == {200}
    assert len(times) == WORKERS * CALLS
    assert min(seconds) >= 1000, "more calls within a second than are allowed"
