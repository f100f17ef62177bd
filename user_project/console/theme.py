"""How the console looks and what its menu offers; django-unfold reads it from settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise

Item = dict[str, Any]
Allowed = Callable[[HttpRequest], bool]


def environment(request: HttpRequest) -> tuple[str, str]:
    """Return the badge that says whether real money can move."""
    return (
        ("실전투자 켜짐", "danger") if settings.LIVE_TRADING else ("모의투자", "info")
    )


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu; an item without permission is not shown."""
    return [
        {
            "items": [
                _item("홈", "home", reverse_lazy("admin:index")),
                _page(
                    "비상 정지", "emergency_home", "emergency", "bots.add_emergencystop"
                ),
            ]
        },
        _group(
            "매매",
            _model("봇", "smart_toy", "bots.bot"),
            _model("회차", "autorenew", "bots.cycle"),
            _model("주문", "receipt_long", "bots.order"),
            _model("체결", "done_all", "bots.fill"),
            _model("원장", "account_balance", "bots.ledgerentry"),
            _model("조정", "rule", "bots.adjustment"),
            _model("기록", "history_edu", "bots.botevent"),
        ),
        _group(
            "안전",
            _model("거래소 계정", "key", "accounts.exchangeaccount"),
            _model("비상 정지 기록", "emergency", "bots.emergencystop"),
            _model("급락 제동", "trending_down", "bots.brake"),
            _model("작업 큐", "speed", "bots.queueheartbeat"),
        ),
        _group(
            "본사",
            _model("받은 분석", "cloud_download", "central_api.centralsnapshot"),
            _model("연결 상태", "lan", "central_api.pullstate"),
        ),
        _group(
            "접근",
            _model("사용자", "person", "auth.user"),
            _model("권한 그룹", "group", "auth.group"),
            _model("알림 대상", "notifications", "notifications.target"),
            _model("일정", "schedule", "django_celery_beat.periodictask"),
            _model("변경 기록", "history", "admin.logentry"),
        ),
        _group("바로 가기", *_links()),
    ]


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Put the kinds of schedules beside the schedules that use them."""
    kinds = {
        "periodictask": "일정",
        "intervalschedule": "반복 간격",
        "crontabschedule": "정해진 시각",
    }
    names = [f"django_celery_beat.{name}" for name in kinds]
    titles = zip(names, kinds.values(), strict=True)
    return [
        {"models": names, "items": [_model(title, "", name) for name, title in titles]}
    ]


def _links() -> list[Item]:
    links = [
        _item("트레이더 화면", "monitoring", reverse_lazy("home")),
        _item("API 문서", "api", reverse_lazy("api-docs")),
    ]
    if settings.FLOWER_URL:
        links.append(
            _item("작업 모니터 (Flower)", "local_florist", settings.FLOWER_URL)
        )
    return links


def _group(title: str, *items: Item) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(items)}


def _model(title: str, icon: str, model: str, /) -> Item:
    app, name = model.split(".")
    link = reverse_lazy(f"admin:{app}_{name}_changelist")
    rights = (f"{app}.view_{name}", f"{app}.change_{name}")
    return {**_item(title, icon, link), "permission": _has_one_of(*rights)}


def _page(title: str, icon: str, view: str, right: str, /) -> Item:
    return {**_item(title, icon, reverse_lazy(view)), "permission": _has_one_of(right)}


def _item(title: str, icon: str, link: str | Promise, /) -> Item:
    return {"title": title, "icon": icon, "link": link}


def _has_one_of(*rights: str) -> Allowed:
    return lambda request: any(request.user.has_perm(right) for right in rights)


def _static(path: str, /) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "단타로 사용자 서버",
    "SITE_HEADER": "단타로 사용자 서버",
    "SITE_SUBHEADER": "봇과 주문 운영",
    "SITE_URL": None,
    "SITE_SYMBOL": "smart_toy",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("web/icon.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "user_project.console.theme.environment",
    "DASHBOARD_CALLBACK": "user_project.console.home.fill",
    "LOGIN": {"redirect_after": reverse_lazy("admin:index")},
    "STYLES": [_static("console/console.css")],
    "SCRIPTS": [_static("console/console.js")],
    "SIDEBAR": {
        "show_search": True,
        "navigation": "user_project.console.theme.navigation",
    },
    "TABS": "user_project.console.theme.tabs",
    "COLORS": {
        "primary": {
            "50": "#effcf9",
            "100": "#c9f7ec",
            "200": "#94eedb",
            "300": "#57ddc5",
            "400": "#26c3ab",
            "500": "#0ea792",
            "600": "#0b7f72",
            "700": "#0a6a60",
            "800": "#0d544e",
            "900": "#0f4641",
            "950": "#022b29",
        }
    },
}
