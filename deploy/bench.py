"""The common form of all benchmarks: a figure beside its baseline, printed and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_WIDTH: Final = 132


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, and what the same machine does at best or without us."""

    name: str
    value: float
    unit: str
    baseline: str
    """What the baseline is."""
    baseline_value: float
    about: str = ""
    """How it was measured; printed only."""

    @property
    def ratio(self) -> float:
        """Return value / baseline_value; 0 without a baseline."""
        return self.value / self.baseline_value if self.baseline_value else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the common form."""
        form = asdict(self) | {"ratio": round(self.ratio, 4)}
        del form["about"]
        for name in ("value", "baseline_value"):
            form[name] = round(form[name], 4)
        return form


def keep(figures: Sequence[Figure], *, file: Path) -> None:
    """Write the figures where later runs and readers look for them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_text(figures), encoding="utf-8")


def as_text(figures: Sequence[Figure]) -> str:
    """Return the figures as JSON."""
    return json.dumps([one.as_json() for one in figures], indent=2) + "\n"


def show(figures: Sequence[Figure], *, title: str) -> None:
    """Print a table and below it how each figure was measured."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)  # a file or a pipe has no width of its own
    table = Table(title=title, title_justify="left")
    for heading in ("figure", "value", "unit", "baseline", "its value", "ratio"):
        is_number = heading in ("value", "its value", "ratio")
        table.add_column(heading, justify="right" if is_number else "left")
    for one in figures:
        table.add_row(
            one.name,
            _number(one.value),
            one.unit,
            one.baseline,
            _number(one.baseline_value),
            f"{one.ratio:.3g}",
        )
    console.print(table)
    for one in figures:
        if one.about:
            console.print(f"{one.name}: {one.about}", highlight=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
