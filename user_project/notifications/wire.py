"""Sending one text to one address through apprise; the address is never shown or logged."""

from __future__ import annotations

import logging
from typing import Final

import apprise
from django.utils.translation import gettext as _

SERVICES: Final = frozenset(
    {
        *("tgram", "discord", "slack", "kakaotalk", "line", "ntfy", "ntfys"),
        *("mailto", "mailtos", "pover", "pbul", "gotify", "gotifys", "mmost", "mmosts"),
        *(
            "rocket",
            "rockets",
            "matrix",
            "matrixs",
            "signal",
            "signals",
            "bark",
            "barks",
        ),
    }
)
"""Services that carry a text to a person; those that run or write something are out."""

# It writes whole addresses, and with them keys, into its log.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AddressProblem(Exception):
    """The address cannot be used; the message names the remedy, in Korean."""


class NotSent(Exception):
    """The service did not take the text."""


def service_of(address: str, /) -> str:
    """Return the service's short name; raise AddressProblem for what cannot be used."""
    service = address.partition("://")[0].strip().lower()
    if service not in SERVICES:
        known = ", ".join(sorted(SERVICES))
        raise AddressProblem(
            _("쓸 수 있는 서비스가 아닙니다. 쓸 수 있는 것: %(known)s")
            % {"known": known}
        )
    if not apprise.Apprise().add(address.strip()):
        raise AddressProblem(
            _("주소를 읽을 수 없습니다. 예: tgram://봇토큰/대화번호, ntfy://서버/주제")
        )
    return service


def send(*, address: str, title: str, text: str) -> None:
    """Send within seconds; raise NotSent when the service did not take it."""
    there = apprise.Apprise()
    try:
        taken = there.add(address) and there.notify(body=text, title=title)
    except Exception as error:
        # A service's own code has failed; the other places must still be told.
        raise NotSent from error
    if not taken:
        raise NotSent
