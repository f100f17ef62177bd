"""Which exchange hosts an account may talk to: paper never Upbit, live only Upbit."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from common.upbit import HOST_SUFFIX

LIVE_ADDRESS: Final = f"https://api.{HOST_SUFFIX}"
_PLAIN_ADDRESS: Final = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?/?", re.IGNORECASE)
"""Scheme, ASCII host, port. Anything cleverer (user names, escapes, look-alike letters,
paths) could be read as another host by the HTTP client than by the check below."""


def is_real_upbit(*, base_url: str) -> bool:
    """Tell whether the address belongs to the real exchange."""
    host = (urlsplit(base_url).hostname or "").rstrip(".").lower()
    return host == HOST_SUFFIX or host.endswith("." + HOST_SUFFIX)


def usual_host(mode: str, /) -> str:
    """Return where an account of that mode trades unless somebody says otherwise."""
    return LIVE_ADDRESS if mode == "live" else str(settings.UPBIT_BASE_URL)


def host_problem(*, mode: str, base_url: str) -> str | None:
    """Return the sentence that names the remedy, None when mode and host agree."""
    if _PLAIN_ADDRESS.fullmatch(base_url) is None:
        return _(
            "거래소 주소는 http://127.0.0.1:9000 처럼 http(s)://호스트:포트 로만 적으세요. 사용자 이름, 경로, 한글이나 특수 문자는 쓸 수 없습니다."
        )
    real = is_real_upbit(base_url=base_url)
    if mode == "paper" and real:
        return _(
            "모의투자 계정은 실제 업비트 주소를 쓸 수 없습니다. 시뮬레이터 주소(UPBIT_BASE_URL)를 쓰세요."
        )
    if mode == "live" and not (real and base_url.lower().startswith("https://")):
        return _("실전투자 계정은 %(LIVE_ADDRESS)s 만 쓸 수 있습니다.") % {
            "LIVE_ADDRESS": LIVE_ADDRESS
        }
    return None
