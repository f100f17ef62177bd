"""Staged-buy planning: amounts, prices and take profits from facts and a seed."""

from __future__ import annotations

from enum import StrEnum


class Shape(StrEnum):
    """How the budget spreads over the stages."""

    GEOMETRIC = "geometric"
    EQUAL = "equal"
    LINEAR = "linear"
