"""What a call asks: its parameters in the order sent, and the texts that stand for them.

The hash of a call covers its query as sent but un-encoded, or the pairs of its JSON body.
Clients write a space as itself or as a plus sign, and null and true as their language
does; each of these texts is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, unquote_plus

from deploy.simulator.rest.errors import bad

_WORDS: Final[tuple[dict[object, str], ...]] = (
    {None: "null", True: "true", False: "false"},
    {},
)
"""How JSON writes these values, and how Python does."""
FORM: Final = "application/x-www-form-urlencoded"
Pair = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Names and values in the order sent; numbers of a JSON body are kept as text."""

    pairs: tuple[Pair, ...] = ()
    texts: tuple[str, ...] = ()
    """What the caller may have hashed."""

    def one(self, name: str, /) -> str | None:
        """Return a value, or None when it is absent, null or empty; the last one wins."""
        value = self.value(name)
        return str(value) if value not in (None, "", []) else None

    def value(self, name: str, /) -> Any:
        """Return a value as it came (text, bool, list or None)."""
        for key, value in reversed(self.pairs):
            if key == name:
                return value
        return None

    def many(self, name: str, /) -> list[str]:
        """Return a list sent as repeated ``name[]`` or ``name``, or parted by commas."""
        names = (name, f"{name}[]")
        values = (value for key, value in self.pairs if key in names)
        return [part for value in values for part in _parts(value) if part]

    def number(self, name: str, /, *, default: int, most: int) -> int:
        """Return a whole number from 1 to *most*; refuse others."""
        text = self.one(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise bad("invalid_parameter", f"{name}은(는) 숫자여야 합니다.")
        if not 1 <= int(text) <= most:
            raise bad("invalid_parameter", f"{name}은(는) 1~{most}이어야 합니다.")
        return int(text)

    def choice(self, name: str, /, *known: str) -> str:
        """Return one of the known words, by default the first; refuse others."""
        text = self.one(name) or known[0]
        if text not in known:
            raise bad(
                "invalid_parameter", f"{name}은(는) {', '.join(known)} 중 하나입니다."
            )
        return text

    def without_prefix(self, prefix: str, /) -> Parameters:
        """Return only the parameters whose names begin so, under the rest of the name."""
        cut = len(prefix)
        return Parameters(
            tuple((key[cut:], v) for key, v in self.pairs if key.startswith(prefix))
        )


NOTHING: Final = Parameters()


def read_parameters(
    *, method: str, query: str, body: bytes, content_type: str, lenient: bool
) -> Parameters:
    """Return what a call asks; raises UpbitProblem for what Upbit does not read.

    POST is asked in its JSON body, all else in the query. If *lenient*, a GET without
    query is read from its form and a DELETE without query from its JSON body; if not,
    the one is ignored and the other refused.
    """
    if method == "POST":
        if content_type == FORM:
            raise bad(
                "bad_request", "본문은 JSON이어야 합니다. Form은 지원하지 않습니다."
            )
        return from_json(body) if body else NOTHING
    if query or not body:
        return from_query(query)
    if method == "DELETE":
        if not lenient:
            raise bad(
                "QUERY_PARAMETER_NOT_SUPPORTED",
                "파라미터는 쿼리로 전달해야 합니다.",
            )
        return from_json(body)
    if lenient and content_type == FORM:
        return from_query(body.decode(errors="replace"))
    return NOTHING


def from_query(query: str, /) -> Parameters:
    """Return what a query or a form says."""
    if not query:
        return NOTHING
    plain = unquote_plus(query)
    texts = dict.fromkeys((unquote(query), plain, plain.replace(" ", "+")))
    return Parameters(tuple(parse_qsl(query, keep_blank_values=True)), tuple(texts))


class _Object(list[Pair]):
    """A JSON object as its pairs, told apart from a JSON list of lists."""


def from_json(body: bytes, /) -> Parameters:
    """Return what a JSON object says; refuse what is none or holds another."""
    try:
        pairs = json.loads(
            body, object_pairs_hook=_Object, parse_float=str, parse_int=str
        )
        if not isinstance(pairs, _Object) or any(_is_nested(v) for _, v in pairs):
            raise ValueError("not a flat object")
        plain = all(isinstance(value, str) for _, value in pairs)
        texts = [_joined(pairs, words) for words in _WORDS[: 1 if plain else 2]]
        "".join(texts).encode()  # half a surrogate pair can be neither hashed nor kept
    except (ValueError, RecursionError) as error:
        raise bad("bad_request", "JSON 본문을 확인해주세요.") from error
    return Parameters(tuple(pairs), tuple(texts))


def _is_nested(value: Any) -> bool:
    if isinstance(value, _Object):
        return True
    return isinstance(value, list) and any(isinstance(one, list) for one in value)


def _joined(pairs: Iterable[Pair], words: dict[object, str]) -> str:
    texts: list[str] = []
    for name, value in pairs:
        many = isinstance(value, list)
        label = f"{name}[]" if many else name
        texts += [
            f"{label}={words.get(one, one)}" for one in (value if many else [value])
        ]
    return "&".join(texts)


def _parts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return [] if value is None else str(value).split(",")
