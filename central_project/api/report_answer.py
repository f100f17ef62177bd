"""The body of ``GET /report-card``."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from central_project.analysis.evaluation.card import SCHEMA, ReportCard, Text


class StoredCard(ReportCard):
    """A report card and its age."""

    computed_at: datetime
    """계산한 시각 (UTC). When it was computed."""


class ReportCardAnswer(BaseModel):
    """Both sections, each with its own age."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    schema_version: int = SCHEMA
    """응답 형식의 버전. Version of this format."""
    served: StoredCard | None
    """실제로 제공한 분석의 성적. Stored runs against what followed; null with a reason."""
    walk_forward: StoredCard | None
    """지금의 계산식을 과거에 적용한 성적. Today's formulas on past candles."""
    reasons: dict[str, Text]
    """없는 부분의 이유. Why a section is null, by its name."""
