"""``manage_user.py plan`` as a person calls it: no settings, no database, no Redis."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {"price", "amount", "average", "break_even", "take_profit"}


def plan(arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with an environment that configures nothing."""
    return subprocess.run(
        [sys.executable, "manage_user.py", "plan", *arguments.split()],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DANTARO_ENV_FILE": os.devnull,
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_the_plan_is_printed_as_json_with_decimals_as_text() -> None:
    seed = hashlib.sha256(b"golden-1").hexdigest()

    result = plan(
        "--price 3521 --support 3050 --budget 1000000 --stages 7 --multiplier 1.25"
        f" --take-profit 0.015 --jitter 0.25 --seed {seed} --json"
    )

    answer = json.loads(result.stdout)
    assert result.returncode == 0
    assert set(answer) == {"stages", "reasons"}
    assert answer["reasons"] == []
    assert [stage["stage"] for stage in answer["stages"]] == [1, 2, 3, 4, 5, 6, 7]
    assert all(set(stage) == {"stage", *NUMBERS} for stage in answer["stages"])
    assert all(isinstance(s[name], str) for s in answer["stages"] for name in NUMBERS)
    assert [stage["price"] for stage in answer["stages"]] == [
        *("3521", "3436", "3373", "3287", "3207", "3112", "3060")
    ]
    assert answer["stages"][0]["break_even"] == "3525"
    assert answer["stages"][-1]["take_profit"] == "3263"


def test_without_json_a_korean_table_explains_the_plan() -> None:
    result = plan(
        "--price 118 --support 112 --budget 200000 --stages 10 --shape linear"
        " --take-profit 0.01"
    )

    assert result.returncode == 0
    assert "차수" in result.stdout
    assert "99,951" in result.stdout
    assert "10차수 중 3차수" in result.stdout


def test_a_dollar_coin_uses_its_own_ticks() -> None:
    result = plan(
        "--price 1390.7 --support 1200 --budget 100000 --market KRW-USDT --json"
    )

    assert json.loads(result.stdout)["stages"][0]["price"] == "1390.5"


def test_an_impossible_plan_exits_with_two_and_the_reason() -> None:
    result = plan("--price 3521 --support 3050 --budget 5000 --json")

    assert result.returncode == 2
    assert json.loads(result.stdout) == {"stages": [], "reasons": ["INFEASIBLE_BUDGET"]}
    assert "예산을 늘리세요" in result.stderr


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ("--budget -5", "INVALID_BUDGET", "-5"),
        ("--jitter 0.2 --seed xyz", "INVALID_SEED", "'xyz'"),
        ("--shape cubic", "INVALID_SHAPE", "geometric, equal, linear"),
    ],
)
def test_nonsense_exits_with_two_and_names_the_option(
    changes: str, code: str, told: str
) -> None:
    result = plan(f"--price 3521 --support 3050 --budget 100000 --json {changes}")

    answer = json.loads(result.stdout)
    assert result.returncode == 2
    assert answer["stages"] == []
    assert answer["error"]["code"] == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_figure_is_named() -> None:
    result = plan("--price 3521 --support 3050")

    assert result.returncode == 2
    assert "--budget" in result.stderr
