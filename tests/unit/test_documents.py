"""What the documents claim and the repository can disprove."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import pytest

from user_project.trading.lifecycle import (
    BOT_TRANSITIONS,
    CYCLE_TRANSITIONS,
    ORDER_TRANSITIONS,
    BotState,
    CycleState,
    OrderState,
    terminal_states,
)

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "README.md",
    "README.ko.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/decisions.md",
    "docs/api.md",
    "docs/simulator.md",
    "docs/user-api.md",
    "docs/trader-guide.md",
    "docs/trader-guide.ko.md",
    "docs/operator-guide.md",
    "docs/operator-guide.ko.md",
    "docs/glossary.md",
)
S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def diagram_of(table: Mapping[tuple[S, T], S], *, initial: S) -> str:
    """Write a transition table the way Mermaid draws it."""
    moves = [f"{state} --> {to}: {trigger}" for (state, trigger), to in table.items()]
    ends = [f"{state} --> [*]" for state in sorted(terminal_states(table))]
    lines = [f"[*] --> {initial}", *moves, *ends]
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)])


DIAGRAMS = {
    "bot": diagram_of(BOT_TRANSITIONS, initial=BotState.DRAFT),
    "cycle": diagram_of(CYCLE_TRANSITIONS, initial=CycleState.PLANNED),
    "order": diagram_of(ORDER_TRANSITIONS, initial=OrderState.INTENT),
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_each_state_diagram_is_the_table_in_the_code(name: str) -> None:
    marked = rf"<!-- states: {name} -->\n```mermaid\n(.*?)\n```"

    drawn = re.search(marked, text_of("docs/architecture.md"), re.DOTALL)

    assert drawn is not None
    assert drawn[1] == DIAGRAMS[name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name))

    missing = [
        link for link in links if not (ROOT / name).parent.joinpath(link).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_command_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    commands = re.findall(
        r"`make ([a-z-]+)|^(?:[A-Z_]+=\S+ )*make ([a-z-]+)",
        text_of(name),
        re.MULTILINE,
    )

    named = {first or second for first, second in commands}

    assert named <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_named_file_of_the_packages_exists(name: str) -> None:
    pattern = r"`((?:common|central_project|user_project|deploy|tests)/[\w./]+\.py)`"

    missing = [p for p in re.findall(pattern, text_of(name)) if not (ROOT / p).exists()]

    assert missing == []


def test_both_readmes_show_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text_of(name), re.DOTALL)
        lines = [re.sub(r"\s+#.*", "", ln) for b in blocks for ln in b.splitlines()]
        return [line for line in lines if line]

    assert commands("README.md") == commands("README.ko.md")


RETIRED = {"사이클": "회차", "공격형": "공격적", "중립형": "보통", "보수형": "보수적"}
"""Word that was used on one of the servers -> the one word for it on both."""


def test_both_servers_and_the_guides_use_one_word_for_one_thing() -> None:
    written = [ROOT / name for name in DOCUMENTS]
    for package in ("central_project", "common", "deploy", "user_project"):
        written += [
            path
            for kind in ("py", "html", "js", "po")
            for path in (ROOT / package).rglob(f"*.{kind}")
            if "migrations" not in path.parts
        ]

    found = {
        (str(path.relative_to(ROOT)), word)
        for path in written
        for word in RETIRED
        if word in path.read_text(encoding="utf-8")
    }

    assert found == set()
