"""How the pages look on one device: theme, colours of up and down, how often they renew.

The language is kept for the owner besides: notifications are written in it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from user_project.notifications.languages import choose_language
from user_project.web.pages import LOOKS, owner_page, show

THEMES: Final = (
    ("auto", _lazy("기기 설정을 따름")),
    ("light", _lazy("밝게")),
    ("dark", _lazy("어둡게")),
)
COLOURS: Final = (
    ("korea", _lazy("상승 빨강, 하락 파랑 (한국)")),
    ("world", _lazy("상승 초록, 하락 빨강 (해외)")),
)
RENEWALS: Final = (
    ("auto", _lazy("자동 (4초)")),
    ("15", _lazy("15초")),
    ("60", _lazy("60초")),
    ("off", _lazy("끔")),
)
"""How often a page asks by itself: ``auto``, seconds or ``off``, as its script reads it."""
COOKIES: Final = {
    "theme": "dantaro_theme",
    "colours": "dantaro_colours",
    "renew": "dantaro_renew",
    "language": settings.LANGUAGE_COOKIE_NAME,
}
YEAR: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was chosen on this device."""

    theme: str = "auto"
    colours: str = "korea"
    renew: str = "auto"


class LookForm(forms.Form):
    """The choices; but for the language they are kept in this browser alone."""

    language = forms.ChoiceField(
        label="언어 / Language", choices=settings.LANGUAGES, required=False
    )
    theme = forms.ChoiceField(label=_lazy("테마"), choices=THEMES)
    colours = forms.ChoiceField(label=_lazy("등락 색"), choices=COLOURS)
    renew = forms.ChoiceField(
        label=_lazy("갱신 주기"),
        choices=RENEWALS,
        required=False,
        help_text=_lazy(
            "실시간 연결이 끊겼을 때 화면이 새 내용을 확인하는 간격입니다. 길게 고르면 실시간일 때도 덜 확인하지만, 실시간으로 오는 시세와 체결은 늦추지 않습니다. 끄면 스스로 확인하지 않고, 탭으로 돌아올 때만 한 번 새로 고칩니다."
        ),
    )


def look_of(request: HttpRequest, /) -> Look:
    """Read the choices; what is not offered counts as not chosen."""
    chosen = {
        name: request.COOKIES.get(cookie, "")
        for name, cookie in COOKIES.items()
        if request.COOKIES.get(cookie) in dict(OFFERED.get(name, ()))
    }
    return Look(**chosen)


OFFERED: Final[dict[str, Any]] = {
    "theme": THEMES,
    "colours": COLOURS,
    "renew": RENEWALS,
}


def look(request: HttpRequest) -> dict[str, Any]:
    """Give every template the look."""
    return {"look": look_of(request)}


@owner_page(*LOOKS, "POST")
def look_page(request: HttpRequest) -> HttpResponse:
    """Choose theme, colours, language and how often the pages renew."""
    now = look_of(request)
    language = get_language()
    initial = {**asdict(now), "language": language}
    form = LookForm(request.POST or None, initial=initial)
    if request.method != "POST" or not form.is_valid():
        return show(
            request,
            "web/look.html",
            status=400 if form.errors else 200,
            form=form,
            up=Decimal(1234),
            down=Decimal(-1234),
        )
    answer = redirect("look")
    for name, cookie in COOKIES.items():
        if not form.cleaned_data[name]:
            continue
        answer.set_cookie(
            cookie,
            form.cleaned_data[name],
            max_age=YEAR,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure(),
        )
    if form.cleaned_data["language"]:
        choose_language(owner=request.user, language=form.cleaned_data["language"])
    with translation.override(form.cleaned_data["language"] or language):
        messages.success(request, _("화면 설정을 바꿨습니다."))
    return answer
