"""What a key check found, in words that name the next step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.exchanges.adapter import KeyReport, Right

WARN_DAYS: Final = 30
RIGHT_NAMES: Final = {
    Right.VIEW_BALANCES: _noop("자산조회"),
    Right.VIEW_ORDERS: _noop("주문조회"),
    Right.PLACE_ORDERS: _noop("주문하기"),
    Right.VIEW_WITHDRAWALS: _noop("출금조회"),
    Right.WITHDRAW: _noop("출금하기"),
    Right.DEPOSIT: _noop("입금하기"),
    Right.TRANSFER: _noop("포켓 간 이동"),
}
REMEDIES: Final = {
    "invalid_access_key": _noop("Access key가 맞는지 확인하세요."),
    "jwt_verification": _noop("Secret key가 Access key와 짝이 맞는지 확인하세요."),
    "expired_access_key": _noop("만료된 키입니다. 거래소에서 새 키를 만드세요."),
    "no_authorization_ip": _noop(
        "거래소의 키 설정에서 이 서버의 IP 주소를 허용하세요."
    ),
    "out_of_scope": _noop("키에 자산조회, 주문조회, 주문하기 권한을 주세요."),
    "": _noop("키, 만료일, 허용 IP, 권한(자산조회·주문조회·주문하기)을 확인하세요."),
}
REMEDIES_BY_OLD_NAME: Final = {"no_authorization_i_p": "no_authorization_ip"}


def refusal(*, name: str, egress: str = "") -> str:
    """Say why the exchange refused a key and what to do about it."""
    known = REMEDIES_BY_OLD_NAME.get(name, name)
    remedy = _(REMEDIES.get(known, REMEDIES[""]))
    if egress:
        remedy += _(
            " 이 서버가 거래소로 나가는 주소는 %(egress)s입니다. 공유기나 NAT 뒤라면 그 공인 IP를 등록하세요."
        ) % {"egress": egress}
    return _("거래소가 키를 거부했습니다 (%(name)s). %(remedy)s") % {
        "name": name,
        "remedy": remedy,
    }


def missing(report: KeyReport, /) -> str:
    """Name the rights that a bot needs and the key lacks; empty when none is missing."""
    if not report.missing:
        return ""
    return _(
        "키에 필요한 권한이 없습니다: %(missing)s. 거래소에서 이 권한을 넣어 키를 새로 만드세요."
    ) % {"missing": _names(report.missing)}


def excess(report: KeyReport, /) -> str:
    """Name the rights that the key must not have; empty when it has none of them."""
    if report.excess:
        return _(
            "키에 있으면 안 되는 권한이 있습니다: %(excess)s. 이 권한이 없는 키를 새로 만드세요."
        ) % {"excess": _names(report.excess)}
    if report.withdraw_refused is False:
        return _(
            "이 키로 출금 정보를 볼 수 있습니다. 출금 권한이 없는 키를 새로 만드세요."
        )
    return ""


def summary(*, report: KeyReport, now: datetime) -> str:
    """Say what is proven of a key that passed, and what its owner has to look after."""
    sentences = [_("키가 작동합니다."), *_expiry(report.days_left(now=now))]
    if Right.PLACE_ORDERS in report.has:
        sentences.append(_("주문 권한을 확인했습니다."))
    if report.is_harmless:
        sentences.append(_("출금·입금·이동 권한이 없음을 확인했습니다."))
    else:
        sentences.append(
            _(
                "거래소가 이 키의 권한 목록을 알려주지 않습니다. 거래소의 Open API 관리 화면에서 출금하기 권한이 없는지 직접 확인하세요."
            )
        )
    if report.allowed_ips:
        sentences.append(
            _("허용된 IP: %(allowed_ips)s.")
            % {"allowed_ips": ", ".join(report.allowed_ips)}
        )
    return " ".join(sentences)


def _expiry(days: int | None) -> Iterable[str]:
    if days is None:
        return ()
    if days > WARN_DAYS:
        return ((_("만료까지 %(days)s일 남았습니다.") % {"days": days}),)
    return (
        (
            _(
                "만료까지 %(days)s일 남았습니다. 연장할 수 없으니 거래소에서 새 키를 만드세요."
            )
            % {"days": days}
        ),
    )


def _names(rights: Iterable[Right]) -> str:
    return ", ".join(_(RIGHT_NAMES[right]) for right in rights)
