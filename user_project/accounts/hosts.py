"""Which exchange hosts an account may talk to: paper never Upbit, live only Upbit."""

from __future__ import annotations

from urllib.parse import urlsplit

from common.upbit import HOST_SUFFIX


def is_real_upbit(*, base_url: str) -> bool:
    """Tell whether the address belongs to the real exchange."""
    host = (urlsplit(base_url).hostname or "").rstrip(".").lower()
    return host == HOST_SUFFIX or host.endswith("." + HOST_SUFFIX)


def host_problem(*, mode: str, base_url: str) -> str | None:
    """Return the sentence that names the remedy, None when mode and host agree."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "거래소 주소는 http:// 또는 https:// 로 시작해야 합니다."
    if parts.username or parts.password:
        return "거래소 주소에 사용자 이름이나 비밀번호를 넣을 수 없습니다."
    real = is_real_upbit(base_url=base_url)
    if mode == "paper" and real:
        return (
            "모의투자 계정은 실제 업비트 주소를 쓸 수 없습니다."
            " 시뮬레이터 주소(UPBIT_BASE_URL)를 쓰세요."
        )
    if mode == "live" and not (real and parts.scheme == "https"):
        return "실전투자 계정은 https://api.upbit.com 만 쓸 수 있습니다."
    return None
