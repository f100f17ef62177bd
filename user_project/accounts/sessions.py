"""Which browsers are logged in as somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session


def end_other_sessions(*, user: Any, keep: str | None, now: datetime) -> None:
    """Log *user* out everywhere but in the session *keep*.

    Whose a session is stands inside of it: all are read. It is done once in a while,
    and a server has a few owners.
    """
    others = Session.objects.filter(expire_date__gt=now).exclude(session_key=keep)
    theirs = [
        session.session_key
        for session in others.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(session_key__in=theirs).delete()
