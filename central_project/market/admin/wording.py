"""Codes of the analysis in the operator's words; an unknown code stands for itself."""

from __future__ import annotations

from typing import Final

ANALYZERS: Final = {
    "technical": "기술",
    "volume": "거래량",
    "volatility": "변동성",
    "risk": "위험",
}
LEVELS: Final = {
    "aggressive": "공격적 (7일)",
    "moderate": "보통 (30일)",
    "conservative": "보수적 (90일)",
}
STEPS: Final = {
    "collect": "수집",
    "analyse": "분석",
    "publish": "발표",
    "prune": "정리",
}
FIGURES: Final = {
    "coins": "코인",
    "failed": "실패",
    "analysed": "분석",
    "ranked": "순위",
    "excluded": "제외",
    "audited": "검산",
    "runs": "지난 분석",
    "minutes": "5분봉",
    "hours": "시간봉",
    "calls": "거래소 호출",
    "clock_ahead_seconds": "시계 차이 (초)",
    "refused": "거절 (429)",
    "phase": "국면",
    "breadth": "상승 코인 비율",
    "btc_trend": "비트코인 추세",
    "volatility": "변동성",
    "coins_analysed": "분석한 코인",
    "coins_failed": "실패한 코인",
    "pipeline": "파이프라인",
    "exchange": "거래소",
}
"""Names of counts and figures that runs keep."""
VALUES: Final = {
    "normal": "정상",
    "caution": "주의",
    "crash": "급락",
    "halted": "거래 정지",
    "unknown": "알 수 없음",
    "ok": "정상",
    "suspect": "검산 불일치",
    "stale": "오래됨",
}
CODES: Final = {
    # why a coin is not ranked
    "STABLECOIN": "스테이블코인",
    "WARNING": "거래소 유의 종목",
    "CAUTION": "거래소 주의 종목",
    "TOO_YOUNG": "상장 기간 부족",
    "MISSING_CANDLES": "캔들 누락이 많음",
    "LOW_TURNOVER": "거래대금 부족",
    "WIDE_SPREAD": "호가 간격이 넓음",
    "COARSE_TICK": "호가 단위가 큼",
    "NO_SUPPORT": "지지선 없음",
    "NOT_ENOUGH_HISTORY": "가격 기록 부족",
    "EXCLUDED_BY_OPERATOR": "운영자가 제외",
    "HISTORY_LOADING": "과거 캔들을 받는 중",
    "CANDLES_UNREADABLE": "캔들을 읽지 못함",
    "CANDLES_IMPLAUSIBLE": "믿을 수 없는 캔들",
    "NOT_TRADED": "거래되지 않음",
    "NO_PRICE": "현재가 없음",
    "ANALYSIS_FAILED": "분석 실패",
    # why a level is missing or weak
    "BELOW_TICK": "호가 단위보다 작음",
    "NO_LEVEL": "찾은 지지선 없음",
    "NO_VOLATILITY": "가격 변동 없음",
    "SHORT_HISTORY": "가격 기록이 짧음",
    "TOO_DEEP": "현재가보다 70% 넘게 아래",
    "FEW_CANDIDATES": "후보가 적음",
    "FEW_SAMPLES": "표본이 적음",
    "NOT_CALIBRATED": "확률 보정 안 됨",
    # why a run failed
    "TOO_MANY_FAILED": "실패한 코인이 30% 초과",
    "EXCHANGE_UNAVAILABLE": "거래소 응답 없음",
    "EXCHANGE_BLOCKED": "거래소가 접속을 막음",
    "CLOCK_OFF": "서버 시계가 틀림",
    "TOO_SLOW": "제한 시간을 넘김",
    "WORKER_LOST": "작업자가 멈춤",
    "CRASHED": "예상하지 못한 오류",
    # what a trader should know although the coin passed
    "SPREAD_UNKNOWN": "호가 간격을 모름",
    "PARTIAL_COVERAGE": "일부 지표 없음",
} | {
    f"{what}_{level.upper()}_LEVEL": f"{LEVELS[level]} 지지선 {words}"
    for what, words in (("NO", "없음"), ("DEGRADED", "신뢰도 낮음"))
    for level in LEVELS
}


def words_for(code: str | None, /) -> str:
    """Return the Korean words for *code*."""
    return CODES.get(code or "", code or "-")
