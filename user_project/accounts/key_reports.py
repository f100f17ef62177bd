"""What a key check found, in words that name the next step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from user_project.exchanges.adapter import KeyReport, Right

WARN_DAYS: Final = 30
RIGHT_NAMES: Final = {
    Right.VIEW_BALANCES: "자산조회",
    Right.VIEW_ORDERS: "주문조회",
    Right.PLACE_ORDERS: "주문하기",
    Right.VIEW_WITHDRAWALS: "출금조회",
    Right.WITHDRAW: "출금하기",
    Right.DEPOSIT: "입금하기",
    Right.TRANSFER: "포켓 간 이동",
}
REMEDIES: Final = {
    "invalid_access_key": "Access key가 맞는지 확인하세요.",
    "jwt_verification": "Secret key가 Access key와 짝이 맞는지 확인하세요.",
    "expired_access_key": "만료된 키입니다. 거래소에서 새 키를 만드세요.",
    "no_authorization_ip": "거래소의 키 설정에서 이 서버의 IP 주소를 허용하세요.",
    "out_of_scope": "키에 자산조회, 주문조회, 주문하기 권한을 주세요.",
    "": "키, 만료일, 허용 IP, 권한(자산조회·주문조회·주문하기)을 확인하세요.",
}
REMEDIES_BY_OLD_NAME: Final = {"no_authorization_i_p": "no_authorization_ip"}


def refusal(*, name: str, egress: str = "") -> str:
    """Say why the exchange refused a key and what to do about it."""
    known = REMEDIES_BY_OLD_NAME.get(name, name)
    remedy = REMEDIES.get(known, REMEDIES[""])
    if egress:
        remedy += (
            f" 이 서버가 거래소로 나가는 주소는 {egress}입니다."
            " 공유기나 NAT 뒤라면 그 공인 IP를 등록하세요."
        )
    return f"거래소가 키를 거부했습니다 ({name}). {remedy}"


def missing(report: KeyReport, /) -> str:
    """Name the rights that a bot needs and the key lacks; empty when none is missing."""
    if not report.missing:
        return ""
    return (
        f"키에 필요한 권한이 없습니다: {_names(report.missing)}."
        " 거래소에서 이 권한을 넣어 키를 새로 만드세요."
    )


def excess(report: KeyReport, /) -> str:
    """Name the rights that the key must not have; empty when it has none of them."""
    if report.excess:
        return (
            f"키에 있으면 안 되는 권한이 있습니다: {_names(report.excess)}."
            " 이 권한이 없는 키를 새로 만드세요."
        )
    if report.withdraw_refused is False:
        return (
            "이 키로 출금 정보를 볼 수 있습니다. 출금 권한이 없는 키를 새로 만드세요."
        )
    return ""


def summary(*, report: KeyReport, now: datetime) -> str:
    """Say what is proven of a key that passed, and what its owner has to look after."""
    sentences = ["키가 작동합니다.", *_expiry(report.days_left(now=now))]
    if Right.PLACE_ORDERS in report.has:
        sentences.append("주문 권한을 확인했습니다.")
    if report.is_harmless:
        sentences.append("출금·입금·이동 권한이 없음을 확인했습니다.")
    else:
        sentences.append(
            "거래소가 이 키의 권한 목록을 알려주지 않습니다."
            " 거래소의 Open API 관리 화면에서 출금하기 권한이 없는지 직접 확인하세요."
        )
    if report.allowed_ips:
        sentences.append(f"허용된 IP: {', '.join(report.allowed_ips)}.")
    return " ".join(sentences)


def _expiry(days: int | None) -> Iterable[str]:
    if days is None:
        return ()
    if days > WARN_DAYS:
        return (f"만료까지 {days}일 남았습니다.",)
    return (
        f"만료까지 {days}일 남았습니다. 연장할 수 없으니 거래소에서 새 키를 만드세요.",
    )


def _names(rights: Iterable[Right]) -> str:
    return ", ".join(RIGHT_NAMES[right] for right in rights)
