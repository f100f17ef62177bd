"""Every text of the admin's looks has Korean words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import unfold
from django.utils.translation import gettext, ngettext, override
from django.utils.translation.template import templatize

from central_project.analysis import gates as gates_module
from central_project.console.lights import EXCHANGE_ADVICE
from central_project.market.admin.wording import CODES
from central_project.market.services import runs
from central_project.market.source_errors import SourceError

ROOT = Path(unfold.__file__).parent
CALL = re.compile(
    r"""\b(ngettext|gettext)\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""(?:,\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))?"""
)
NAMES = {"_", "gettext", "gettext_lazy"}
Text = tuple[str, str | None]


def shipped(pattern: str) -> Iterator[Path]:
    """All files but those of the contributed apps, which are not installed."""
    for path in ROOT.rglob(pattern):
        if path.relative_to(ROOT).parts[0] != "contrib":
            yield path


def texts() -> set[Text]:
    """Return singular and plural of every text that unfold would translate."""
    found: set[Text] = set()
    for path in shipped("*.html"):
        for call, one, many in CALL.findall(templatize(path.read_text())):
            plural = ast.literal_eval(many) if call == "ngettext" else None
            found.add((ast.literal_eval(one), plural))
    for path in shipped("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(str(text)), *_]):
                    if name in NAMES:
                        found.add((text, None))
    return found


def test_every_text_of_the_looks_is_translated() -> None:
    everything = texts()

    with override("ko"):
        foreign = {
            (one, many)
            for one, many in everything
            if (ngettext(one, many, 2) if many else gettext(one)) in (one, many)
        }

    assert foreign == set()
    assert len(everything) > 80, "the texts are not found any more"


def test_every_gate_and_every_end_of_a_run_has_words() -> None:
    gates = re.findall(r'"([A-Z_]+)":', Path(gates_module.__file__).read_text())
    services = Path(runs.__file__).parent.glob("*.py")
    codes = [re.findall(r'code="([A-Z_]+)"', path.read_text()) for path in services]
    ends = {code for found in codes for code in found}
    errors = [SourceError, *SourceError.__subclasses__()]
    of_source = {error.code for error in errors}

    assert gates
    assert ends
    assert {*gates, *ends, *of_source} <= CODES.keys()
    assert {error.coin_code for error in errors} <= CODES.keys()
    assert of_source <= EXCHANGE_ADVICE.keys()
