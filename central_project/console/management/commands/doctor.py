"""Look at every part of this server and say what to do."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.console import Console
from rich.table import Table
from rich.text import Text

from central_project.console.doctor import Colour, Finding, examine

_WORDS: Final = {
    Colour.GREEN: ("● 정상", "green"),
    Colour.YELLOW: ("● 주의", "yellow"),
    Colour.RED: ("● 문제", "red"),
    Colour.GREY: ("○ 모름", "bright_black"),
}


class Command(BaseCommand):
    """``doctor [--json]``; exit code 1 if anything is red."""

    help = "Look at database, Redis, processes, exchange and data; say what to do."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine everything; people read it in both languages, programs as JSON."""
        findings = list(examine(now=timezone.now()))
        is_red = any(one.colour is Colour.RED for one in findings)
        if options["json"]:
            self.stdout.write(json.dumps(_report(findings, is_red), ensure_ascii=False))
        else:
            Console(file=self.stdout, width=_width()).print(_table(findings))  # type: ignore[arg-type]
        if is_red:
            sys.exit(1)


def _width() -> int | None:
    return None if sys.stdout.isatty() else 110


def _report(findings: Iterable[Finding], is_red: bool, /) -> dict[str, Any]:
    rows = [
        {
            "part": one.part,
            "colour": one.colour,
            "found": one.found._asdict(),
            "to_do": one.to_do._asdict() if one.to_do else None,
        }
        for one in findings
    ]
    return {"ok": not is_red, "findings": rows}


def _table(findings: Iterable[Finding], /) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in findings:
        word, style = _WORDS[one.colour]
        table.add_row(Text(word, style=style), Text("\n".join(one.name)), _story(one))
    return table


def _story(finding: Finding, /) -> Text:
    story = Text("\n".join(finding.found))
    if finding.to_do is not None:
        story.append(f"\n할 일: {finding.to_do.korean}", style="bold")
        story.append(f"\nto do: {finding.to_do.english}")
    return story
