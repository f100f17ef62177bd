"""The same 24 indicators and tail losses by other means; runs in the peers' environment.

Usage: python -m deploy.bench_central_peers PANEL ENGINE COINS, where ENGINE is ta,
freqtrade or talib; prints {"cpu_ms": per coin, "peak_mb": of this process}.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from deploy.bench_central_panel import COLUMNS, FIRST_HOUR, read
from deploy.bench_memory import peak_mb

DAY: Final = 24
WEEK: Final = 7 * DAY
Figures = dict[str, float]


def main(panel: str, engine: str, coins: str) -> int:
    """Measure one engine on the first *coins* of the panel, one after the other."""
    compute = ENGINES[engine]()
    frames = [_frame(rows) for rows in read(Path(panel), coins=int(coins))]
    compute(frames[0])  # warm
    before = time.process_time()
    for frame in frames:
        compute(frame)
    spent = time.process_time() - before
    print(json.dumps({"cpu_ms": 1000 * spent / len(frames), "peak_mb": peak_mb()}))
    return 0


def _frame(rows: Any, /) -> pd.DataFrame:
    frame = pd.DataFrame(rows.T, columns=list(COLUMNS))
    start = pd.Timestamp(FIRST_HOUR * 3600, unit="s", tz="UTC")
    frame.insert(0, "date", pd.date_range(start, periods=len(frame), freq="h"))
    return frame


def _ta() -> Callable[[pd.DataFrame], Figures]:
    """One object of the `ta` library per indicator and coin, its last value taken."""
    momentum: Any = import_module("ta.momentum")
    trend: Any = import_module("ta.trend")
    volatility: Any = import_module("ta.volatility")
    flow: Any = import_module("ta.volume")

    def compute(frame: pd.DataFrame) -> Figures:
        high, low, close = frame["high"], frame["low"], frame["close"]
        volume = frame["volume"]
        macd = trend.MACD(close)
        bands = volatility.BollingerBands(close)
        adx = trend.ADXIndicator(high, low, close)
        stochastic = momentum.StochasticOscillator(high, low, close)
        ranges = volatility.AverageTrueRange(high, low, close, window=14)
        series = {
            "rsi": momentum.RSIIndicator(close).rsi(),
            "macd": macd.macd(),
            "macd_signal": macd.macd_signal(),
            "macd_diff": macd.macd_diff(),
            "band_high": bands.bollinger_hband(),
            "band_mid": bands.bollinger_mavg(),
            "band_low": bands.bollinger_lband(),
            "atr": ranges.average_true_range(),
            "adx": adx.adx(),
            "di_plus": adx.adx_pos(),
            "di_minus": adx.adx_neg(),
            "obv": flow.OnBalanceVolumeIndicator(close, volume).on_balance_volume(),
            "mfi": flow.MFIIndicator(high, low, close, volume).money_flow_index(),
            "stoch_k": stochastic.stoch(),
            "stoch_d": stochastic.stoch_signal(),
        }
        for span in (20, 50, 200):
            average = trend.EMAIndicator(close, window=span)
            series[f"ema_{span}"] = average.ema_indicator()
        return {name: float(one.iloc[-1]) for name, one in series.items()} | _rest(
            frame
        )

    return compute


def _rest(frame: pd.DataFrame) -> Figures:
    """What neither `ta` nor TA-Lib has, on pandas."""
    close, low, volume = frame["close"], frame["low"], frame["volume"]
    recent = volume.rolling(WEEK)
    returns = np.log(close).diff()
    days = close.pct_change(DAY).dropna().sort_values()
    worst = days.iloc[: math.floor(0.05 * (len(days) - 1)) + 1]
    return {
        "volume_z": float(((volume - recent.mean()) / recent.std()).iloc[-1]),
        "volatility": float(returns.rolling(2 * WEEK).std().iloc[-1] * math.sqrt(DAY)),
        "max_drawdown": float((1 - close / close.cummax()).max()),
        "low_7d": float(low.rolling(WEEK).min().iloc[-1]),
        "low_30d": float(low.rolling(30 * DAY).min().iloc[-1]),
        "low_90d": float(low.rolling(90 * DAY).min().iloc[-1]),
        "value_at_risk": float(-worst.iloc[-1]),
        "expected_shortfall": float(-worst.mean()),
    }


def _freqtrade() -> Callable[[pd.DataFrame], Figures]:
    """A real strategy, called as freqtrade does, with the indicators of its template."""
    strategy: Any = import_module("freqtrade.strategy")
    talib: Any = import_module("talib.abstract")
    vendor: Any = import_module("technical.qtpylib")

    class Columns(strategy.IStrategy):  # type: ignore[misc]  # the base is a peer's
        INTERFACE_VERSION = 3
        timeframe = "1h"
        minimal_roi: dict[str, float] = {"0": 10.0}
        stoploss = -0.99

        def populate_indicators(self, dataframe: Any, metadata: Any) -> Any:
            """Compute whole columns, as strategies do."""
            macd = talib.MACD(dataframe)
            for name in ("macd", "macdsignal", "macdhist"):
                dataframe[name] = macd[name]
            typical = vendor.typical_price(dataframe)
            bands = vendor.bollinger_bands(typical, window=20, stds=2)
            for name in ("lower", "mid", "upper"):
                dataframe[f"bb_{name}"] = bands[name]
            for name in ("RSI", "ATR", "ADX", "PLUS_DI", "MINUS_DI", "OBV", "MFI"):
                dataframe[name.lower()] = getattr(talib, name)(dataframe)
            for span in (20, 50, 200):
                dataframe[f"ema_{span}"] = talib.EMA(dataframe, timeperiod=span)
            stochastic = talib.STOCHF(dataframe, fastk_period=14, fastd_period=3)
            dataframe["k"], dataframe["d"] = stochastic["fastk"], stochastic["fastd"]
            for name, value in _rest(dataframe).items():
                dataframe[name] = value
            return dataframe

    one = Columns({"timeframe": "1h"})

    def compute(frame: pd.DataFrame) -> Figures:
        # freqtrade hands a strategy its own copy.
        frame = frame.copy()
        done = one.advise_indicators(frame, {"pair": "A/KRW"})
        return {name: float(done[name].iloc[-1]) for name in done.columns[7:]}

    return compute


def _talib() -> Callable[[pd.DataFrame], Figures]:
    """TA-Lib on plain arrays, the rest by numpy on the last window: the strongest form."""
    talib: Any = import_module("talib")

    def compute(frame: pd.DataFrame) -> Figures:
        high, low, close, volume = (
            np.ascontiguousarray(frame[name].to_numpy())
            for name in ("high", "low", "close", "volume")
        )
        macd = talib.MACD(close)
        bands = talib.BBANDS(close, timeperiod=20)
        stochastic = talib.STOCHF(high, low, close, fastk_period=14, fastd_period=3)
        series = [
            *(talib.RSI(close), *macd, *bands, talib.ATR(high, low, close)),
            *(talib.ADX(high, low, close), talib.PLUS_DI(high, low, close)),
            *(talib.MINUS_DI(high, low, close), talib.OBV(close, volume)),
            *(talib.EMA(close, timeperiod=span) for span in (20, 50, 200)),
            *(talib.MFI(high, low, close, volume), *stochastic),
        ]
        recent, fortnight = volume[-WEEK:], close[-2 * WEEK - 1 :]
        days = close[DAY:] / close[:-DAY] - 1
        last = math.floor(0.05 * (len(days) - 1))
        worst = np.partition(days, last)[: last + 1]
        rest = (
            (recent[-1] - recent.mean()) / recent.std(ddof=1),
            np.diff(np.log(fortnight)).std(ddof=1) * math.sqrt(DAY),
            (1 - close / np.maximum.accumulate(close)).max(),
            *(low[-days * DAY :].min() for days in (7, 30, 90)),
            *(-worst.max(), -worst.mean()),
        )
        values = [*(one[-1] for one in series), *rest]
        return {str(place): float(value) for place, value in enumerate(values)}

    return compute


ENGINES: Final = {"ta": _ta, "freqtrade": _freqtrade, "talib": _talib}

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
