"""Every text of the console's looks has Korean words, and the compiled ones are new."""

from __future__ import annotations

import ast
import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
import unfold
from django.conf import settings
from django.utils.translation import gettext, ngettext, override
from django.utils.translation.template import templatize

ROOT = Path(unfold.__file__).parent
CALL = re.compile(
    r"""\b(ngettext|gettext)\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""(?:,\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))?"""
)


def _texts() -> set[tuple[str, str | None]]:
    """Return singular and plural of every text in the templates of the looks."""
    found: set[tuple[str, str | None]] = set()
    for path in ROOT.rglob("*.html"):
        if path.relative_to(ROOT).parts[0] == "contrib":
            continue  # apps that are not installed
        for call, one, many in CALL.findall(templatize(path.read_text())):
            plural = ast.literal_eval(many) if call == "ngettext" else None
            found.add((ast.literal_eval(one), plural))
    return found


def test_every_text_of_the_looks_is_translated() -> None:
    texts = _texts()

    with override("ko"):
        foreign = {
            (one, many)
            for one, many in texts
            if (ngettext(one, many, 2) if many else gettext(one)) in (one, many)
        }

    assert foreign == set()
    assert len(texts) > 60, "the texts are not found any more"


@pytest.mark.parametrize("language", ["ko"])
def test_the_compiled_words_are_those_of_the_source(language: str) -> None:
    folder = Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES"
    source = (folder / "django.po").read_text(encoding="utf-8")
    with (folder / "django.mo").open("rb") as compiled:
        words = GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]

    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', source, re.MULTILINE)

    assert len(pairs) > 60
    for text, translated in pairs:
        key, value = (
            part.encode().decode("unicode_escape").encode("latin1").decode()
            if part.isascii()
            else part.replace('\\"', '"').replace("\\n", "\n")
            for part in (text, translated)
        )
        assert words[key] == value
