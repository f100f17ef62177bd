"""The analysis in words, Korean and English; None when there is nothing worth saying."""

from __future__ import annotations

from typing import Final

from common.wire import Reason

FACTORS: Final = {
    "support_distance": ("지지선까지 거리", "distance to support"),
    "rsi": ("RSI", "RSI"),
    "band_position": ("볼린저 밴드 위치", "place in the Bollinger band"),
    "trend": ("7일 추세", "7-day trend"),
    "momentum": ("MACD 모멘텀", "MACD momentum"),
    "trend_strength": ("추세 강도", "trend strength"),
    "turnover": ("7일 거래대금", "7-day turnover"),
    "depth": ("호가 잔량", "order book depth"),
    "spread": ("호가 스프레드", "spread"),
    "silent_hours": ("거래 없는 시간", "hours without a trade"),
    "volume_surge": ("거래량 급증", "volume surge"),
    "money_flow": ("자금 흐름(MFI)", "money flow (MFI)"),
    "volatility_14d": ("14일 변동성", "14-day volatility"),
    "range_7d": ("7일 가격 폭", "7-day price range"),
    "atr": ("하루 평균 변동폭(ATR)", "average daily range (ATR)"),
    "one_way_share": ("한 방향 쏠림", "one-way movement"),
    "max_drawdown_90d": ("90일 최대 낙폭", "90-day maximum drawdown"),
    "value_at_risk": ("하루 손실 위험(VaR 95%)", "daily loss risk (VaR 95 %)"),
    "tick_cost": ("호가 단위 비용", "tick cost"),
}


def rsi(value: float | None, /) -> Reason | None:
    """Name an RSI below 30 or above 70 (Wilder's limits)."""
    if value is None or 30 < value < 70:
        return None
    low = value <= 30
    return Reason(
        code="RSI_OVERSOLD" if low else "RSI_OVERBOUGHT",
        ko=f"RSI {value:.0f}: {'과매도' if low else '과매수'}",
        en=f"RSI {value:.0f}: {'oversold' if low else 'overbought'}",
    )


def trend(value: float | None, /) -> Reason | None:
    """Name a weekly trend of more than 3 % either way."""
    if value is None or abs(value) < 0.03:
        return None
    up = value > 0
    return Reason(
        code="TREND_UP" if up else "TREND_DOWN",
        ko=f"7일 추세 {value:+.1%}: {'상승' if up else '하락'}",
        en=f"7-day trend {value:+.1%}: {'rising' if up else 'falling'}",
    )


def support_distance(value: float | None, /) -> Reason | None:
    """Say when the moderate level is within two average days."""
    if value is None or value > 2:
        return None
    return Reason(
        code="NEAR_SUPPORT",
        ko=f"30일 지지선까지 하루 변동폭의 {value:.1f}배: 가까움",
        en=f"30-day support {value:.1f} average days away: near",
    )


def band(value: float | None, /) -> Reason | None:
    """Say when the price has left its 20-day Bollinger band."""
    if value is None or 0 <= value <= 1:
        return None
    low = value < 0
    return Reason(
        code="BELOW_BAND" if low else "ABOVE_BAND",
        ko=f"20일 볼린저 밴드 {'하단 아래: 과매도' if low else '상단 위: 과매수'} 구간",
        en=f"{'below' if low else 'above'} the 20-day Bollinger band:"
        f" {'oversold' if low else 'overbought'}",
    )


def trend_strength(value: float | None, /) -> Reason | None:
    """Name a daily ADX of 25 or more (a trend, by common use), signed by direction."""
    if value is None or abs(value) < 25:
        return None
    up = value > 0
    return Reason(
        code="CLEAR_UPTREND" if up else "CLEAR_DOWNTREND",
        ko=f"ADX {abs(value):.0f}: 뚜렷한 {'상승' if up else '하락'} 추세",
        en=f"ADX {abs(value):.0f}: clear {'uptrend' if up else 'downtrend'}",
    )


def silence(value: float | None, /) -> Reason | None:
    """Say when one hour in twenty of the week passed without a trade."""
    if value is None or value < 0.05:
        return None
    return Reason(
        code="SILENT_HOURS",
        ko=f"최근 7일 중 {value:.0%}의 시간에 거래 없음: 체결이 늦을 수 있음",
        en=f"no trade in {value:.0%} of the last 7 days' hours: orders may wait",
    )


def tick_cost(value: float, /) -> Reason | None:
    """Say when one tick takes 0.3 % of the price: a fifth of a usual take profit."""
    if value < 0.003:
        return None
    return Reason(
        code="TICK_COST",
        ko=f"호가 한 단위가 가격의 {value:.2%}: 거친 호가",
        en=f"one tick is {value:.2%} of the price: coarse",
    )


def surge(value: float | None, /) -> Reason | None:
    """Say when a day trades three times the week's median."""
    if value is None or value < 3:
        return None
    return Reason(
        code="VOLUME_SURGE",
        ko=f"24시간 거래대금이 7일 중앙값의 {value:.1f}배: 급증",
        en=f"24-hour turnover {value:.1f} times the 7-day median: surge",
    )


def money_flow(value: float | None, /) -> Reason | None:
    """Name a money flow index below 20 or above 80 (the usual limits)."""
    if value is None or 20 < value < 80:
        return None
    low = value <= 20
    return Reason(
        code="MONEY_LEAVING" if low else "MONEY_ENTERING",
        ko=f"MFI {value:.0f}: 자금 {'이탈' if low else '유입'}",
        en=f"MFI {value:.0f}: money {'leaving' if low else 'entering'}",
    )


def volatility(value: float | None, /) -> Reason | None:
    """Name daily volatility under 3 % or over 8 %."""
    if value is None or 0.03 < value < 0.08:
        return None
    calm = value <= 0.03
    return Reason(
        code="CALM" if calm else "WILD",
        ko=f"하루 변동성 {value:.1%}: {'안정적' if calm else '매우 큼'}",
        en=f"daily volatility {value:.1%}: {'calm' if calm else 'very high'}",
    )


def drawdown(value: float | None, /) -> Reason | None:
    """Say when the coin halved within the 90 days."""
    if value is None or value < 0.5:
        return None
    return Reason(
        code="DEEP_DRAWDOWN",
        ko=f"90일 최대 낙폭 {value:.0%}: 큰 하락 이력",
        en=f"90-day maximum drawdown {value:.0%}: has fallen far",
    )


def loss(value: float | None, /) -> Reason | None:
    """Say when one day in twenty loses more than 8 %."""
    if value is None or value < 0.08:
        return None
    return Reason(
        code="HIGH_DAILY_LOSS",
        ko=f"20일에 하루는 {value:.1%} 넘게 하락",
        en=f"one day in twenty loses more than {value:.1%}",
    )


def standing(factor: str, share: float, /) -> Reason:
    """Say where a coin stands among all coins on one factor; *share* 1 is the best."""
    ko, en = FACTORS.get(factor, (factor, factor))
    good = share >= 0.5
    percent = max(1, round(100 * (1 - share if good else share)))
    return Reason(
        code=f"{'STRONG' if good else 'WEAK'}_{factor.upper()}",
        ko=f"{ko}: {'상위' if good else '하위'} {percent}%",
        en=f"{en}: {'best' if good else 'worst'} {percent}%",
    )
