"""How the admin looks and what its menu offers; django-unfold reads it from settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise

ENVIRONMENTS: Final[dict[str, tuple[str, str]]] = {
    "production": ("운영", "danger"),
    "staging": ("스테이징", "warning"),
    "demo": ("데모", "info"),
}
"""Value of DANTARO_ENVIRONMENT to the badge's text and colour."""

Item = dict[str, Any]


def environment(request: HttpRequest) -> tuple[str, str]:
    """Return the badge that tells this server from its siblings."""
    return ENVIRONMENTS[settings.ENVIRONMENT]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu; an item without permission is not shown."""
    return [
        {"items": [_item("홈", "home", reverse_lazy("admin:index"))]},
        _group(
            "분석",
            _model("분석 실행", "monitoring", "market.analysisrun"),
            _model("추천", "leaderboard", "market.recommendation"),
            _model("지지선", "stacked_line_chart", "market.supportlevel"),
            _model("제외된 코인", "block", "market.excludedcoin"),
            _model("캔들", "candlestick_chart", "market.candle"),
            _model("성적표", "fact_check", "market.reportcard"),
        ),
        _group(
            "설정",
            _model("코인", "currency_bitcoin", "market.coin"),
            _model("점수 설정", "tune", "market.scoresettings"),
            _model("일정", "schedule", "django_celery_beat.periodictask"),
            _model("보관 기간", "inventory_2", "market.retention"),
        ),
        _group(
            "접근",
            _model("API 키", "key", "central_api.apikey"),
            _model("사용자", "person", "auth.user"),
            _model("권한 그룹", "group", "auth.group"),
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
    items = [
        _model(title, "", f"django_celery_beat.{name}") for name, title in kinds.items()
    ]
    return [
        {"models": [f"django_celery_beat.{name}" for name in kinds], "items": items}
    ]


def _links() -> list[Item]:
    links = [_item("API 문서", "api", reverse_lazy("api-docs"))]
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
    return {**_item(title, icon, link), "permission": _may_view(app, name)}


def _item(title: str, icon: str, link: str | Promise, /) -> Item:
    return {"title": title, "icon": icon, "link": link}


def _may_view(app: str, name: str, /) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        user = request.user
        return any(user.has_perm(f"{app}.{may}_{name}") for may in ("view", "change"))

    return allowed


def _static(path: str, /) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "단타로 본사",
    "SITE_HEADER": "단타로 본사",
    "SITE_SUBHEADER": "분석 서버 운영",
    "SITE_URL": None,
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("console/icon.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "central_project.console.theme.environment",
    "DASHBOARD_CALLBACK": "central_project.console.home.fill",
    "LOGIN": {"redirect_after": reverse_lazy("admin:index")},
    "STYLES": [_static("console/console.css")],
    "SCRIPTS": [_static("console/console.js")],
    "SIDEBAR": {
        "show_search": True,
        "navigation": "central_project.console.theme.navigation",
    },
    "TABS": "central_project.console.theme.tabs",
    "COLORS": {
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#1d5fd6",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        }
    },
}
