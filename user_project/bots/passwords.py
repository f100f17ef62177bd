"""Who acts on real money or everything at once says the password again."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from user_project.accounts import guesses
from user_project.bots.problems import BotProblem

SECONDS: Final = 60
"""Ten wrong ones in so long."""
WHAT: Final = "password {person}"
SELL_WORDS: Final = {"ko": "정지", "en": "STOP"}
"""Typed before everything is sold; a click alone happens too easily."""


def sell_word() -> str:
    """Return the word in the reader's language."""
    return SELL_WORDS.get(str(get_language())[:2], SELL_WORDS["ko"])


def check_password(*, request: HttpRequest) -> None:
    """Raise BotProblem unless the form's ``password`` is the person's own.

    Ten tries a minute; a session left open on a phone is not enough.
    """
    person: Any = request.user
    count_try(person=person)
    if not person.check_password(request.POST.get("password", "")):
        raise BotProblem(
            "WRONG_PASSWORD",
            _("비밀번호가 틀립니다. 로그인 비밀번호를 다시 입력하세요."),
        )
    forget_tries(person=person)


def count_try(*, person: Any) -> None:
    """Count that *person* is about to say the password; BotProblem at the eleventh."""
    what, now = WHAT.format(person=person.pk), timezone.now()
    try:
        guesses.begin(what=what, seconds=SECONDS, now=now)
    except guesses.TooOften as problem:
        raise BotProblem(
            "TOO_OFTEN", _("너무 자주 시도했습니다. 1분 뒤에 다시 하세요.")
        ) from problem


def forget_tries(*, person: Any) -> None:
    """The password was right: earlier slips count no more."""
    guesses.forget(what=WHAT.format(person=person.pk))


def check_selling(*, request: HttpRequest) -> None:
    """Raise BotProblem unless the form has the ``word`` and the password."""
    if request.POST.get("word", "").strip() not in SELL_WORDS.values():
        message = _("모두 팔려면 '%(word)s'라고 그대로 입력하세요.") % {
            "word": sell_word()
        }
        raise BotProblem("WORD_MISSING", message)
    check_password(request=request)
