"""Sentences a trader reads: reasons, events, amounts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain
from user_project.central_api.grading import KIND_NAMES as KIND_NAMES
from user_project.central_api.ladder import Step
from user_project.trading.facts import Why

REASONS: Final[dict[Why, str]] = {
    Why.NOTHING: "",
    Why.DRAFT: _noop("아직 시작하지 않았습니다. 시작을 누르세요."),
    Why.PAUSED: _noop("일시정지 중이라 새로 사지 않습니다. 익절은 계속 관리합니다."),
    Why.STOPPED: _noop("정지했습니다. 산 코인은 그대로 둡니다."),
    Why.HALTED: _noop(
        "문제가 있어 멈췄습니다. 기록을 확인한 뒤 재개하거나 정지하세요."
    ),
    Why.COOLDOWN: _noop("다음 회차까지 쉬는 시간입니다."),
    Why.STALE_DATA: _noop("본사 분석이 유효하지 않아 새 회차를 시작하지 않습니다."),
    Why.NO_COIN: _noop("조건에 맞는 추천 코인이 없어 기다립니다."),
    Why.MARKET_WARNING: _noop("이 마켓은 유의 종목이라 새로 사지 않습니다."),
    Why.MARKET_OFFLINE: _noop(
        "거래소가 이 마켓을 점검하고 있어 주문하지 않고 기다립니다."
    ),
    Why.NO_SUPPORT: _noop("쓸 수 있는 지지선이 없어 기다립니다."),
    Why.MIN_ORDER: _noop(
        "예산으로 최소 주문 금액을 맞출 수 없습니다. 예산을 늘리세요."
    ),
    Why.STALE_PRICE: _noop("최신 시세를 기다립니다."),
    Why.PRICE_MOVED: _noop(
        "사기 전에 시세가 계획한 시작 가격에서 1% 넘게 움직여 다시 계획합니다."
    ),
    Why.ORDER_PENDING: _noop("보낸 주문의 결과를 확인하는 중입니다."),
    Why.STAGE_COOLDOWN: _noop("가격이 여러 차수를 건너뛰어 차수 간격만큼 기다립니다."),
    Why.WAIT_PRICE: _noop("다음 차수 가격까지 내려오기를 기다립니다."),
    Why.WAIT_FUNDS: _noop("주문가능 원화가 부족합니다. 입금하거나 예산을 줄이세요."),
    Why.ORDER_REFUSED: _noop("거래소가 주문을 거부했습니다. 기록의 사유를 확인하세요."),
    Why.ALL_STAGES: _noop("모든 차수를 샀습니다. 익절을 기다립니다."),
    Why.KEY_REFUSED: _noop("거래소가 키를 거부했습니다. 계정에서 키를 점검하세요."),
    Why.KEYS_UNREADABLE: (
        _noop(
            "저장된 거래소 키가 열리지 않아 거래하지 않고 기다립니다. 서버 운영자가 DANTARO_KEYS_KEK를 되돌리거나, 계정에서 거래소 키를 다시 입력하세요."
        )
    ),
    Why.WRONG_HOST: (
        _noop(
            "계정의 거래소 주소가 모의투자·실전투자 구분과 맞지 않아 거래하지 않고 기다립니다. 맞는 주소로 계정을 새로 추가하거나 서버 운영자에게 알리세요."
        )
    ),
    Why.QUARANTINED: _noop("계정이 격리되었습니다. 계정의 격리 사유를 확인하세요."),
    Why.RECONCILE_DUE: _noop("거래소와 주문을 대조하는 중입니다."),
    Why.LEASE_LOST: _noop("다른 작업자가 이 봇을 처리하고 있습니다."),
    Why.FROZEN: (
        _noop(
            "계정의 코인이 봇이 산 수량보다 적어 매도를 멈췄습니다. 코인을 되돌리거나 넘겨받아 회차를 끝내세요."
        )
    ),
    Why.KILL_SWITCH: _noop(
        "비상 정지가 켜져 있어 새 주문을 보내지 않습니다. 끄면 이어 갑니다."
    ),
    Why.LIVE_OFF: _noop(
        "실전투자가 꺼져 있어 새 주문을 보내지 않습니다. 봇 화면에서 켜세요."
    ),
    Why.BRAKE: _noop("급락이 감지되어 잠시 새 차수를 사지 않습니다."),
    Why.START_DELAY: _noop("다른 봇과 겹치지 않게 첫 매수까지 잠시 기다립니다."),
    Why.MAX_CYCLES: _noop(
        "정한 회차를 모두 마쳤습니다. 더 하려면 최대 회차를 늘리세요."
    ),
    Why.WAIT_REENTRY: _noop("재진입 가격까지 내려오기를 기다립니다."),
    Why.CAP_ACCOUNT: _noop(
        "계정의 투자 한도에 닿아 새로 사지 않습니다. 한도를 늘리거나 기다리세요."
    ),
    Why.CAP_COIN: _noop(
        "이 코인의 투자 한도에 닿아 새로 사지 않습니다. 한도를 늘리거나 기다리세요."
    ),
    Why.CAP_CYCLES: _noop(
        "동시에 진행할 수 있는 회차 수에 닿아 다른 회차가 끝나기를 기다립니다."
    ),
    Why.EXITING: _noop("보유 코인을 시장가로 정리하고 있습니다."),
    Why.DUST: (
        _noop(
            "남은 코인이 최소 주문 금액보다 적어 팔 수 없습니다. 정지한 뒤 코인을 넘겨받아 회차를 끝내세요."
        )
    ),
    Why.CLOCK_OFF: (
        _noop(
            "컴퓨터 시계가 거래소 시계와 30초 넘게 달라 새 회차를 시작하지 않습니다. 시계를 맞추세요 (NTP)."
        )
    ),
}

STEPS: Final[dict[Step, str]] = {
    Step.NORMAL: _noop("정상입니다."),
    Step.LATE: _noop("다음 분석이 조금 늦습니다."),
    Step.WARN: _noop("오래되어 갑니다. 본사 연결을 확인하세요."),
    Step.FORBIDS: _noop(
        "너무 오래되어 새 회차에 쓰지 않습니다. 진행 중인 회차는 계속합니다."
    ),
}


def reason_text(why: Why, /) -> str:
    """Say what a bot waits for, and what to do about it; empty for nothing."""
    return _(REASONS[why]) if REASONS[why] else ""


FROZEN_HELP: Final = _noop(
    "계정의 코인이 봇이 산 수량보다 적어 회차를 동결했습니다. 코인을 되돌리거나 봇 화면에서 코인을 넘겨받아 회차를 끝내세요."
)


def won(amount: Decimal) -> str:
    """Write an amount as ``12,345원``, rounded to the won for the eye only."""
    return with_unit(f"{amount.quantize(Decimal(1), rounding=ROUND_HALF_UP):,f}")


def with_unit(number: str, /) -> str:
    """Write the currency behind a number, as the reader's language does."""
    return _("%(number)s원") % {"number": number}


def price_text(price: Decimal) -> str:
    """Write a price with separators and the digits it has: ``142,500,000원``."""
    whole, dot, fraction = plain(price).partition(".")
    return with_unit(f"{int(whole):,}{dot}{fraction}")


def percent(ratio: Decimal) -> str:
    """Write a ratio as signed per cent with two digits: ``+1.53%``."""
    return f"{(ratio * 100).quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):+f}%"


NEVER_REACHED: Final = _noop("본사에 연결하지 못하고 있습니다.")


def out_of_reach(*, seconds: int) -> str:
    """Say that central does not answer, and since when."""
    return _(
        "본사에 연결하지 못하고 있습니다. 마지막 연결 %(age)s. 받아 둔 자료를 씁니다."
    ) % {"age": age(seconds)}


def age(seconds: int) -> str:
    """Write an age to the coarsest useful unit: ``2분 전``; below zero, ``3일 뒤``."""
    past, size = seconds >= 0, abs(seconds)
    if size < 60:
        return (_("%(n)s초 전") if past else _("%(n)s초 뒤")) % {"n": size}
    if size < 3600:
        return (_("%(n)s분 전") if past else _("%(n)s분 뒤")) % {"n": size // 60}
    if size < 86_400:
        return (_("%(n)s시간 전") if past else _("%(n)s시간 뒤")) % {"n": size // 3600}
    return (_("%(n)s일 전") if past else _("%(n)s일 뒤")) % {"n": size // 86_400}
