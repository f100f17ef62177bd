"""What may be chosen by variables of make: SEED, REPLAY, PAPER_PRICES and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.paper_prices import SYNTHETIC, UPBIT
from deploy.simulator.upstream.rest import upstream_url


class InvalidChoice(Exception):
    """A variable makes no sense; the message says what would."""


def common_choices(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the stack options that SEED, DANTARO_RATE_FACTOR and _VERBOSE change."""
    choices: dict[str, Any] = {"echo": variables.get("DANTARO_VERBOSE") == "1"}
    seed = variables.get("SEED", "")
    if seed:
        if not re.fullmatch(r"\d{1,9}", seed, re.ASCII):
            raise InvalidChoice(f"SEED must be a whole number such as 7, not {seed!r}.")
        choices["seed"] = int(seed)
    factor = variables.get("DANTARO_RATE_FACTOR", "")
    if factor:
        if not re.fullmatch(r"\d{1,4}(\.\d+)?", factor, re.ASCII) or not float(factor):
            raise InvalidChoice(
                "DANTARO_RATE_FACTOR must be a number above 0 such as 10 or 0.5,"
                f" not {factor!r}."
            )
        choices["rate_factor"] = factor
    return choices


def price_choice(variables: Mapping[str, str]) -> str | None:
    """Return the source that PAPER_PRICES or SEED names, None if neither is given."""
    text = variables.get("PAPER_PRICES", "")
    named = {"": None, "upbit": UPBIT, SYNTHETIC: SYNTHETIC}
    try:
        source = named[text] if text in named else upstream_url(text)
    except ValueError as error:
        raise InvalidChoice(
            f"PAPER_PRICES must be upbit, synthetic or an exchange's address: {error}."
        ) from error
    if not variables.get("SEED"):
        return source
    if source not in (None, SYNTHETIC):
        raise InvalidChoice(
            f"SEED names a synthetic market, PAPER_PRICES names {source}; give one."
        )
    return SYNTHETIC


def replay_choices(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the stack options of REPLAY and REPLAY_FROM."""
    name, start = variables.get("REPLAY", ""), variables.get("REPLAY_FROM", "")
    if not name:
        if start:
            raise InvalidChoice(
                "REPLAY_FROM names a day of a recording, but REPLAY names no file;"
                " give both, or neither for a synthetic market."
            )
        return {}
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise InvalidChoice(
            f"REPLAY names {path}, but there is no such file. Give a parquet file of"
            " candles, or leave REPLAY out for a synthetic market."
        )
    return {"replay": path, "replay_from": start or None}
