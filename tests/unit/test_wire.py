"""The v1 contract: what is written is read back, what cannot be trusted is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.wire import BundleAnswer, Level, WireError, is_fresh, parse_bundle

AS_OF = datetime(2026, 11, 23, 9, tzinfo=UTC)


def level(price: str | None, days: int, **changes: Any) -> dict[str, Any]:
    return {"horizon_days": days, "price": price, **changes}


def bundle(**changes: Any) -> dict[str, Any]:
    """Build the JSON of a complete answer, some keys changed."""
    return {
        "schema_version": 1,
        "run_id": "run-1",
        "data_as_of": "2026-11-23T09:00:00Z",
        "generated_at": "2026-11-23T09:00:20Z",
        "valid_until": "2026-11-23T09:15:00Z",
        "next_run_at": "2026-11-23T09:05:00Z",
        "stale": False,
        "recommendations": [recommendation()],
        "universe_size": 120,
        "excluded_count": 9,
        "score_version": "1",
        "support_levels": {
            "KRW-XRP": {
                "symbol": "KRW-XRP",
                "price": "3521",
                "levels": {
                    "aggressive": level("3300", 7),
                    "moderate": level("3050", 30, touch_probability="0.31"),
                    "conservative": level(None, 90, reason="short_history"),
                },
            }
        },
        "market_status": {
            "phase": "normal",
            "coins_analysed": 111,
            "coins_failed": 0,
            "pipeline": "ok",
            "exchange": "ok",
        },
        **changes,
    }


def recommendation(**changes: Any) -> dict[str, Any]:
    return {
        "rank": 1,
        "symbol": "KRW-XRP",
        "korean_name": "리플",
        "english_name": "XRP",
        "price": "3521",
        "score": "71.25",
        "scores": {
            "technical": "60",
            "volume": "80",
            "volatility": "70",
            "risk": "75",
        },
        "reasons": [{"code": "calm", "ko": "잔잔함", "en": "calm"}],
        "metrics": {"range_7d": "0.0812"},
        **changes,
    }


def parse(document: object) -> BundleAnswer:
    return parse_bundle(json.dumps(document))


class TestReading:
    def test_a_complete_answer_is_read(self) -> None:
        answer = parse(bundle())

        assert answer.recommendations is not None
        assert answer.recommendations[0].score == Decimal("71.25")
        levels = answer.support_levels["KRW-XRP"].levels
        assert levels[Level.MODERATE].price == 3050
        assert levels[Level.CONSERVATIVE].price is None
        assert answer.valid_until - answer.data_as_of == timedelta(minutes=15)

    def test_what_is_written_is_read_back(self) -> None:
        answer = parse(bundle())

        assert parse_bundle(answer.model_dump_json()) == answer

    def test_decimals_travel_as_text(self) -> None:
        written = json.loads(parse(bundle()).model_dump_json())

        assert written["recommendations"][0]["score"] == "71.25"
        assert written["recommendations"][0]["metrics"] == {"range_7d": "0.0812"}
        assert written["support_levels"]["KRW-XRP"]["price"] == "3521"

    def test_an_unchanged_run_is_an_envelope_only(self) -> None:
        envelope = {
            key: value
            for key, value in bundle().items()
            if key.endswith(("_id", "_at", "_of", "_until")) or key == "stale"
        }

        answer = parse({**envelope, "unchanged": True})

        assert answer.unchanged
        assert answer.recommendations is None

    def test_keys_from_the_future_are_ignored(self) -> None:
        plain_answer = parse(bundle())

        answer = parse(bundle(mood="great", recommendations=[recommendation(x=1.5)]))

        assert answer == plain_answer

    def test_a_level_from_the_future_does_not_hide_the_known_ones(self) -> None:
        document = bundle()
        levels = document["support_levels"]["KRW-XRP"]["levels"]
        levels["abyss"] = {"depth": "bottomless"}

        answer = parse(document)

        assert set(answer.support_levels["KRW-XRP"].levels) == set(Level)

    def test_a_part_that_failed_says_why(self) -> None:
        error = {"code": "unknown_symbol", "message": "no such market"}

        answer = parse(bundle(errors={"support_levels.KRW-NO": error}))

        assert answer.errors["support_levels.KRW-NO"].code == "unknown_symbol"


class TestRefusing:
    @pytest.mark.parametrize(
        "body",
        ["", "null", "[]", "{}", "<html>", '{"run_id": ', b"\xff\xfe", "[" * 9999],
    )
    def test_a_body_that_is_no_bundle_is_refused(self, body: bytes | str) -> None:
        with pytest.raises(WireError):
            parse_bundle(body)

    @pytest.mark.parametrize(
        "key",
        ["run_id", "data_as_of", "generated_at", "valid_until", "next_run_at", "stale"],
    )
    def test_a_missing_identity_or_age_is_refused(self, key: str) -> None:
        document = bundle()
        del document[key]

        with pytest.raises(WireError, match=key):
            parse(document)

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"schema_version": 2}, "schema_version"),
            ({"data_as_of": "2026-11-23T09:00:00"}, "data_as_of"),
            ({"run_id": ""}, "run_id"),
            ({"excluded_count": -1}, "excluded_count"),
            ({"support_levels": {"KRW-XRP": {"levels": {}}}}, "support_levels.KRW-XRP"),
        ],
    )
    def test_a_value_out_of_bounds_is_refused_by_name(
        self, changes: dict[str, Any], where: str
    ) -> None:
        with pytest.raises(WireError, match=where):
            parse(bundle(**changes))

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"price": 3521.5}, "price"),
            ({"price": "0"}, "price"),
            ({"price": "-1"}, "price"),
            ({"price": "NaN"}, "price"),
            ({"price": "1e999999999"}, "price"),
            ({"score": "100.01"}, "score"),
            ({"score": None}, "score"),
            ({"rank": 51}, "rank"),
            ({"rank": 0}, "rank"),
            ({"symbol": "BTC-XRP"}, "symbol"),
            ({"symbol": "KRW-XRP; DROP"}, "symbol"),
        ],
    )
    def test_a_coin_that_makes_no_sense_is_refused(
        self, changes: dict[str, Any], where: str
    ) -> None:
        with pytest.raises(WireError, match=rf"recommendations\.0\.{where}"):
            parse(bundle(recommendations=[recommendation(**changes)]))

    @pytest.mark.parametrize(
        "changes", [{"price": "0"}, {"touch_probability": "1.01"}, {"horizon_days": 0}]
    )
    def test_a_level_that_makes_no_sense_is_refused(
        self, changes: dict[str, Any]
    ) -> None:
        document = bundle()
        levels = document["support_levels"]["KRW-XRP"]["levels"]
        levels["moderate"] |= changes

        with pytest.raises(WireError, match=r"levels\.moderate"):
            parse(document)

    @settings(max_examples=300, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(sorted(bundle())), inner, max_size=9)
            ),
        )
    )
    def test_any_other_json_is_refused_or_read_never_a_crash(
        self, document: object
    ) -> None:
        given_up = False

        try:
            parse(document)
        except WireError as error:
            given_up = bool(str(error))

        assert given_up  # identity and times are never all there by chance


class TestFreshness:
    @pytest.mark.parametrize(
        ("stale", "minutes", "fresh"),
        [(False, 0, True), (False, 15, True), (False, 16, False), (True, 0, False)],
    )
    def test_an_answer_is_fresh_until_it_expires_or_says_it_is_stale(
        self, stale: bool, minutes: int, fresh: bool
    ) -> None:
        answer = parse(bundle(stale=stale))

        now = AS_OF + timedelta(minutes=minutes)
        assert is_fresh(envelope=answer, now=now) is fresh
