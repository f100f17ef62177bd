"""Candles from a file: parquet or CSV to one frame per market."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from central_project.analysis.candles import COLUMNS

TIME: Final = "candle_date_time_utc"
NEEDED: Final = ("market", "interval", TIME, *COLUMNS)
HOURLY: Final = ("1h", "60m")


class CandleFileError(ValueError):
    """The file cannot be used; the message says what to change."""


def read_candle_file(path: Path, /) -> dict[str, pd.DataFrame]:
    """Return hourly candles by market: ``started_at`` (UTC) and COLUMNS.

    Columns of the file: market (KRW-BTC), interval (1h), candle_date_time_utc, open, high,
    low, close, volume (coin), quote_volume (KRW, may be empty).
    """
    table = _table(path)
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise CandleFileError(
            f"{path} has no column {', '.join(missing)}; needed: {', '.join(NEEDED)}"
        )
    intervals = sorted(table["interval"].astype(str).unique())
    table = table[table["interval"].astype(str).isin(HOURLY)]
    if table.empty:
        raise CandleFileError(
            f"{path} holds no hourly candles (interval 1h), only: {', '.join(intervals)}"
        )
    foreign = sorted(set(table["market"]) - set(_in_won(table["market"])))
    if foreign:
        raise CandleFileError(
            f"{path}: prices must be in won, markets named KRW-XXX; found {foreign[0]}"
        )
    return _by_market(path, table)


def _table(path: Path, /) -> pd.DataFrame:
    if not path.is_file():
        raise CandleFileError(f"there is no file {path}")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path)
    except ImportError as error:
        raise CandleFileError(
            "reading parquet needs pyarrow: install it (pip install pyarrow)"
            " or give the candles as CSV"
        ) from error
    except (OSError, ValueError) as error:
        raise CandleFileError(
            f"{path} cannot be read as parquet or CSV: {error}"
        ) from error


def _in_won(markets: pd.Series[str], /) -> pd.Series[str]:
    return markets[markets.astype(str).str.fullmatch(r"KRW-[A-Z0-9]{1,20}")]


def _by_market(path: Path, table: pd.DataFrame, /) -> dict[str, pd.DataFrame]:
    try:
        rows = table[list(COLUMNS)].astype("float64")
        rows["started_at"] = pd.to_datetime(table[TIME], utc=True)
    except (TypeError, ValueError) as error:
        raise CandleFileError(f"{path}: {error}") from error
    groups = rows.groupby(table["market"], sort=True)
    return {
        str(market): frame.drop_duplicates("started_at").reset_index(drop=True)
        for market, frame in groups
    }
