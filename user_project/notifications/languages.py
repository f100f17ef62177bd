"""In which language an owner is told: the one chosen on a page, else Korean."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from user_project.notifications.models import OwnLanguage


def choose_language(*, owner: Any, language: str) -> None:
    """Keep what the owner chose; *language* is a code of ``settings.LANGUAGES``."""
    OwnLanguage.objects.update_or_create(owner=owner, defaults={"language": language})


def language_of(*, owner: Any) -> str:
    """Return the owner's language; no query when ``own_language`` was selected too."""
    # A missing row raises an AttributeError of its own kind.
    chosen: OwnLanguage | None = getattr(owner, "own_language", None)
    known = chosen is not None and chosen.language in dict(settings.LANGUAGES)
    return chosen.language if chosen and known else settings.LANGUAGE_CODE
