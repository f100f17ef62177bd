"""Small pieces of HTML that lists and pages share."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from user_project.bots import wording


def label_html(text: str, /, *, colour: str) -> SafeString:
    """Return a coloured label; the text alone carries the meaning."""
    return format_html('<span class="dt-badge dt-{}">{}</span>', colour, text)


def age_html(moment: datetime | None, /) -> SafeString | str:
    """Say how long ago (or ahead) *moment* is, its Korean time on hovering."""
    if moment is None:
        return "-"
    seconds = int((timezone.now() - moment).total_seconds())
    clock = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
    return format_html('<span title="{}">{}</span>', clock, wording.age(seconds))
