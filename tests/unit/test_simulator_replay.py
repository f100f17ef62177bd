"""A recording is walked as it happened, and an unusable one says what it needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.money import KRW_TICKS
from deploy.simulator.market.clock import path_start
from deploy.simulator.market.liveliness import suggested_speed
from deploy.simulator.market.path import Cells, walk
from deploy.simulator.market.recording import UNKNOWN_QUOTE, ReplayUnusable
from deploy.simulator.market.replay import load_replay
from deploy.simulator.market.ticks import TickGrid
from tests.unit.simulator_world import START_MS, write_recording

AT = datetime(2022, 10, 5, tzinfo=UTC)
MINUTE = int(AT.timestamp() // 60)


@pytest.mark.parametrize(
    ("interval", "minutes"), [("1m", 1), ("5m", 5), ("1h", 60), ("1d", 1440)]
)
def test_the_minutes_of_a_candle_make_the_recorded_candle_again(
    tmp_path: Path, interval: str, minutes: int
) -> None:
    file = tmp_path / "candles.parquet"
    start = f"{AT - timedelta(minutes=minutes * 200):%Y-%m-%dT00:00:00}"
    rows = 2000 if minutes == 1 else 500
    write_recording(file, interval=interval, minutes=minutes, rows=rows, start=start)
    source = load_replay(file=file, at=AT)
    table = pq.read_table(file).to_pydict()
    begin = int(np.datetime64(start, "m").astype(int))

    cells = source.cells("KRW-BTC", begin, begin + 300 * minutes)

    rounded = TickGrid(ticks=KRW_TICKS).round
    first = np.arange(0, len(cells), minutes)
    assert len(cells) == 300 * minutes
    for name, got in (
        ("open", cells.open[first]),
        ("high", np.maximum.reduceat(cells.high, first)),
        ("low", np.minimum.reduceat(cells.low, first)),
        ("close", cells.close[first + minutes - 1]),
    ):
        assert np.array_equal(got, rounded(np.array(table[name][:300])))
    volume = np.add.reduceat(cells.volume, first)
    assert np.allclose(volume, table["volume"][:300], rtol=1e-9)


@pytest.mark.parametrize(
    ("interval", "minutes"), [("5m", 5), ("1h", 60), ("4h", 240), ("1d", 1440)]
)
def test_a_recorded_candle_is_a_candle_of_the_real_clock(
    tmp_path: Path, interval: str, minutes: int
) -> None:
    file = tmp_path / "candles.parquet"
    start = f"{AT - timedelta(minutes=minutes * 30):%Y-%m-%dT00:00:00}"
    write_recording(file, interval=interval, minutes=minutes, rows=400, start=start)
    source = load_replay(file=file, at=AT)
    now = START_MS + 12_345_678

    begin = path_start(wanted_ms=MINUTE * 60_000, start_ms=now, step_ms=source.step_ms)

    assert (now - begin) % (minutes * 60_000) == 0


def test_a_candle_is_walked_to_its_nearer_wick_first() -> None:
    def one(high: float, low: float) -> list[float]:
        ends = np.array([100.0]), np.array([high]), np.array([low]), np.array([101.0])
        cells = Cells(np.array([0]), *ends, np.array([4.0]), np.array([400.0]))
        return [float(price) for price in walk(cells).price]

    assert one(high=102, low=90) == [100, 102, 90, 101]
    assert one(high=120, low=95) == [100, 95, 120, 101]


def test_extremes_are_those_of_the_cells(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file)
    source = load_replay(file=file, at=AT)
    cells = source.cells("KRW-BTC", MINUTE, MINUTE + 4000)

    found = source.extremes("KRW-BTC", MINUTE, MINUTE + 4000)

    assert (found.high, found.low) == (cells.high.max(), cells.low.min())
    top = cells.minute[cells.high.argmax()]
    assert found.high_minute <= top < found.high_minute + 5


def test_the_wicks_of_a_long_candle_come_in_path_order(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file)
    source = load_replay(file=file, at=AT)

    for start in range(MINUTE, MINUTE + 500, 5):
        cells = source.cells("KRW-BTC", start, start + 5)
        opening, top, bottom = cells.open[0], cells.high.max(), cells.low.min()
        up_first = top - opening <= opening - bottom
        near, far = (top, bottom) if up_first else (bottom, top)
        path = walk(cells).price
        assert near in path[4:8]  # the second minute holds one third of the candle
        assert far in path[12:16]  # the fourth minute holds two thirds


def test_a_missing_quote_volume_is_volume_times_the_typical_price(
    tmp_path: Path,
) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, quote=False)
    source = load_replay(file=file, at=AT)

    cells = source.cells("KRW-ETH", MINUTE, MINUTE + 5)

    table = pq.read_table(file).to_pydict()
    row = _row(file)
    typical = (table["high"][row] + table["low"][row] + table["close"][row]) / 3
    assert cells.quote.sum() == pytest.approx(table["volume"][row] * typical)


@pytest.mark.parametrize("quote", [True, False])
def test_a_missing_volume_is_what_the_won_buy_or_a_small_one(
    tmp_path: Path, quote: bool
) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, quote=quote)
    _replace(file, "volume", row=_row(file), value=float("nan"))

    cells = load_replay(file=file, at=AT).cells("KRW-ETH", MINUTE, MINUTE + 5)

    table = pq.read_table(file).to_pydict()
    row = _row(file)
    typical = (table["high"][row] + table["low"][row] + table["close"][row]) / 3
    won = table["quote_volume"][row] if quote else 5 * UNKNOWN_QUOTE
    assert cells.quote.sum() == pytest.approx(won)
    assert cells.volume.sum() == pytest.approx(won / typical)


def test_a_candle_without_volume_is_a_silent_time(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file)
    _replace(file, "volume", row=_row(file), value=0.0)

    cells = load_replay(file=file, at=AT).cells("KRW-ETH", MINUTE - 5, MINUTE + 10)

    assert (cells.minute - MINUTE).tolist() == [-5, -4, -3, -2, -1, 5, 6, 7, 8, 9]


def _row(file: Path) -> int:
    """Return the index of KRW-ETH's candle at MINUTE."""
    markets = pq.read_table(file)["market"].to_pylist()
    return markets.index("KRW-ETH") + (MINUTE - _first(file)) // 5


def _replace(file: Path, name: str, *, row: int, value: float) -> None:
    table = pq.read_table(file)
    values = table[name].to_numpy().copy()
    values[row] = value
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, pa.array(values)), file)


def _first(file: Path) -> int:
    times = pq.read_table(file)["candle_date_time_utc"].to_numpy()
    return int(times.min().astype("datetime64[m]").astype(int))


def test_only_markets_with_data_around_the_beginning_are_listed(
    tmp_path: Path,
) -> None:
    file, later = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_recording(file)
    write_recording(later, markets=("KRW-NEW", "USDT-BTC"), start="2022-12-01T00:00:00")
    both = tmp_path / "both.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(file), pq.read_table(later)]), both)

    listed = {one.market for one in load_replay(file=both, at=AT).listings}

    assert listed == {"KRW-BTC", "KRW-ETH"}


def test_names_fall_back_to_the_code(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, markets=("KRW-BTC", "KRW-NOONE"))

    names = {o.market: o.korean_name for o in load_replay(file=file, at=AT).listings}

    assert names == {"KRW-BTC": "비트코인", "KRW-NOONE": "NOONE"}


@pytest.mark.parametrize(
    ("drop", "at", "words"),
    [
        (("low", "volume"), AT, ["low, volume", "candle_date_time_utc"]),
        ((), AT - timedelta(days=900), ["outside", "2022-10-01T00:00"]),
        ((), AT + timedelta(days=900), ["outside", "2022-10-11"]),
    ],
)
def test_an_unusable_recording_names_the_remedy(
    tmp_path: Path, drop: tuple[str, ...], at: datetime, words: list[str]
) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, drop=drop)

    with pytest.raises(ReplayUnusable) as failure:
        load_replay(file=file, at=at)

    assert all(word in str(failure.value) for word in words)
    assert "\n" not in str(failure.value)


def test_files_that_are_no_recordings_are_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not candles")

    with pytest.raises(ReplayUnusable, match="not a readable parquet"):
        load_replay(file=text, at=AT)
    with pytest.raises(ReplayUnusable, match="does not exist"):
        load_replay(file=tmp_path / "absent.parquet", at=AT)


def test_impossible_prices_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file)
    _replace(file, "low", row=7, value=-1.0)

    with pytest.raises(ReplayUnusable, match="above 0"):
        load_replay(file=file, at=AT)


def test_the_suggested_speed_lets_a_recording_last_ten_minutes(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, rows=2 * 288)  # two days
    start = _first(file) + 1440
    source = load_replay(file=file, at=datetime.fromtimestamp(start * 60, UTC))

    speed = suggested_speed(market_source=source, path_start_minute=start)

    assert speed <= 144
