"""The fast lane: answers the usual GETs before Django, with the bytes Django would send.

It works with copies of API keys and of kept answers, made by the functions that the views
use. For each request one script in Redis confirms that no key has changed and no other
run is served, and counts it where django-ratelimit counts. Everything unusual - another
header, a bad key, a limit reached, an answer nobody has kept, Redis or the database
away - is left to Django.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import Error as DatabaseError
from django.utils import timezone
from prometheus_client import Counter
from redis import RedisError
from rest_framework.exceptions import AuthenticationFailed

from central_project.api import answers, shared_state
from central_project.api.authentication import is_use_noted, key_in_use, problem_of
from central_project.api.errors import ApiProblem
from central_project.api.forms import Form, Standing, fetch
from central_project.api.models import ApiKey, digest_of
from central_project.api.throttling import (
    API,
    COUNTED,
    Usage,
    holder,
    shared_counter,
    usage_after,
)
from central_project.api.usual import Question, question_of

MAX_COPIES: Final = 10_000
"""API keys that one process remembers; beyond it begins anew."""
REST_SECONDS: Final = 1.0
"""After Redis or the database failed, everything goes to Django for so long."""
_TRIES: Final = 3
_ALWAYS: Final = {
    "Allow": "GET, HEAD, OPTIONS",
    "Content-Language": "ko",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What the framework and the middleware add to every answer."""
_ANSWERED: Final = Counter(
    "dantaro_fast_lane_answers", "Requests answered before Django", ["status"]
)
_VARY: Final = {"Vary": "Accept-Encoding, Accept, Accept-Language"}


class _Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class _KeyCopy:
    key: ApiKey
    counter: shared_state.SharedCounter


@dataclass(frozen=True, slots=True)
class _Copies:
    """What one process remembers; true while both marks are those of everybody."""

    shared: shared_state.Shared
    standing: Standing
    keys: dict[str, _KeyCopy] = field(default_factory=dict)
    forms: dict[tuple[str, bool, bool], Form] = field(default_factory=dict)

    def form(self, question: Question, standing: Standing, /) -> Form | None:
        """Return the answer in the form asked for; None if nobody has kept it."""
        place = (question.name, question.gzipped, standing.stale)
        form = self.forms.get(place)
        if form is None:
            rendered = fetch(standing, question.name)
            if rendered is None:
                return None
            form = self.forms[place] = rendered.form(gzipped=question.gzipped)
        return form

    def key(self, text: str, /, *, now: datetime) -> _KeyCopy:
        """Return the copy of a good key; raise AuthenticationFailed for any other."""
        place = digest_of(text)
        copy = self.keys.get(place)
        if copy is None or not _opens(copy.key, now):
            key = key_in_use(text, now=now)
            copy = _KeyCopy(key, _counter(key))
            if len(self.keys) >= MAX_COPIES:
                self.keys.clear()
            self.keys[place] = copy
        elif time.time() >= copy.counter.ends + 1:
            copy.counter = _counter(copy.key)
        return copy


class FastLane:
    """WSGI middleware in front of Django."""

    def __init__(self, django: Any, /) -> None:
        """Wrap Django's WSGI application."""
        self._django = django
        self._copies: _Copies | None = None
        self._rests_until = float("-inf")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a usual GET, or let Django answer."""
        question = question_of(environ)
        if question is not None and time.monotonic() >= self._rests_until:
            answer = self._answer(question, environ)
            if answer is not None:
                start_response(answer.status, answer.headers)
                return [answer.body]
        result: Iterable[bytes] = self._django(environ, start_response)
        return result

    def _answer(self, question: Question, environ: dict[str, Any], /) -> _Answer | None:
        try:
            return self._confirmed(question, environ)
        except (AuthenticationFailed, ApiProblem):
            return None  # Django finds the same and says it
        except (RedisError, DatabaseError):
            self._rests_until = time.monotonic() + REST_SECONDS
            return None

    def _confirmed(
        self, question: Question, environ: dict[str, Any], /
    ) -> _Answer | None:
        """Return the answer once Redis has confirmed the copies and counted."""
        for _ in range(_TRIES):
            now = timezone.now()
            copies = self._copies or self._renewed(*shared_state.look(), now=now)
            standing = copies.standing.at(now=now)
            form = copies.form(question, standing)
            if form is None:
                return None
            copy = copies.key(question.key, now=now)
            counted = shared_state.confirm_and_count(
                copies.shared, copy.counter, key=copy.key.pk, now=now
            )
            if isinstance(counted, int):
                usage = usage_after(counted, copy.counter)
                if not usage.exceeded:
                    return _sent(question, form, standing, usage, now)
                environ[COUNTED] = usage
                return None
            self._renewed(*counted, now=now)
        return None

    def _renewed(
        self, keys: bytes | None, standing: bytes | None, /, *, now: datetime
    ) -> _Copies:
        """Keep the copies that these marks allow; set a mark that nobody has set."""
        if keys is None:
            keys = shared_state.mark_keys()
        if standing is None:
            standing = answers.current_run(now=now).standing.pack()
            shared_state.announce(standing, replace=False)
        old, shared = self._copies, shared_state.Shared(keys, standing)
        self._copies = copies = _Copies(
            shared,
            Standing.unpack(standing),
            keys=old.keys if old and old.shared.keys == keys else {},
            forms=old.forms if old and old.shared.standing == standing else {},
        )
        return copies


def _opens(key: ApiKey, now: datetime, /) -> bool:
    return is_use_noted(key, now=now) and problem_of(key, now=now) is None


def _counter(key: ApiKey, /) -> shared_state.SharedCounter:
    return shared_counter(API, holder(key), key.rate)


def _sent(
    question: Question, form: Form, standing: Standing, usage: Usage, now: datetime, /
) -> _Answer:
    headers = {
        **_ALWAYS,
        **form.headers(standing, now=now),
        **_VARY,
        **usage.headers(),
        "X-Request-ID": question.request_id,
    }
    if form.is_known(question.if_none_match):
        headers["Content-Length"] = "0"
        _ANSWERED.labels("304").inc()
        return _Answer("304 Not Modified", list(headers.items()), b"")
    headers["Content-Type"] = "application/json"
    headers["Content-Length"] = str(len(form.body))
    _ANSWERED.labels("200").inc()
    return _Answer("200 OK", list(headers.items()), form.body)
