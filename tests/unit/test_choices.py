"""Variables of make that make no sense are refused with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.choices import (
    InvalidChoice,
    common_choices,
    price_choice,
    replay_choices,
)


@pytest.mark.parametrize("seed", ["seven", "-1", "1.5", "٣", "1e3"])
def test_a_seed_that_is_no_whole_number_is_refused(seed: str) -> None:
    with pytest.raises(InvalidChoice, match="SEED must be a whole number such as 7"):
        common_choices({"SEED": seed})


@pytest.mark.parametrize("factor", ["fast", "0", "0.0", "-2", "1e9", "nan"])
def test_a_rate_factor_that_is_no_number_above_zero_is_refused(factor: str) -> None:
    with pytest.raises(InvalidChoice, match="DANTARO_RATE_FACTOR must be a number"):
        common_choices({"DANTARO_RATE_FACTOR": factor})


def test_what_is_empty_or_missing_changes_nothing() -> None:
    chosen = common_choices({"SEED": "", "DANTARO_RATE_FACTOR": ""})

    assert chosen == {"echo": False}
    assert replay_choices({"REPLAY": ""}) == {}


def test_good_choices_are_taken_over(tmp_path: Path) -> None:
    recording = tmp_path / "candles.parquet"
    recording.touch()
    variables = {
        "SEED": "42",
        "DANTARO_RATE_FACTOR": "2.5",
        "REPLAY": str(recording),
        "REPLAY_FROM": "2021-06-15",
    }

    chosen = {**common_choices(variables), **replay_choices(variables)}

    assert chosen["seed"] == 42
    assert chosen["rate_factor"] == "2.5"
    assert chosen["replay"] == recording
    assert chosen["replay_from"] == "2021-06-15"


def test_a_replay_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidChoice, match=r"/nowhere\.parquet, but there is no such"):
        replay_choices({"REPLAY": "/nowhere.parquet"})


def test_a_replay_day_without_a_file_is_refused() -> None:
    with pytest.raises(InvalidChoice, match="REPLAY names no file"):
        replay_choices({"REPLAY_FROM": "2021-06-15"})


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", None),
        ("upbit", "https://api.upbit.com"),
        ("synthetic", "synthetic"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("https://exchange.example/", "https://exchange.example"),
    ],
)
def test_prices_come_from_upbit_an_exchange_or_a_synthetic_market(
    text: str, source: str | None
) -> None:
    assert price_choice({"PAPER_PRICES": text}) == source


@pytest.mark.parametrize(
    "text",
    [
        "real",
        "http://exchange.example",
        "http://127.0.0.1",
        "https://key:secret@api.upbit.com",
        "https://api.upbit.com/v1",
        "https://api.upbit.com?x=1",
        "ftp://127.0.0.1:21",
        "https://[",
    ],
)
def test_prices_that_could_be_forged_or_are_no_exchange_are_refused(text: str) -> None:
    with pytest.raises(InvalidChoice, match="PAPER_PRICES must be upbit, synthetic"):
        price_choice({"PAPER_PRICES": text})


def test_a_seed_means_a_synthetic_market() -> None:
    assert price_choice({"SEED": "42"}) == "synthetic"
    with pytest.raises(InvalidChoice, match="give one"):
        price_choice({"SEED": "42", "PAPER_PRICES": "upbit"})
