"""How each window's analysis went, and which one readers get."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string

from central_project.analysis.phrases import FACTORS
from central_project.market.admin.base import ReadOnlyAdmin, age_column, badge
from central_project.market.admin.wording import FIGURES, STEPS, VALUES, words_for
from central_project.market.models import AnalysisRun, Publication, RunState

STATE_BADGES: Final = {
    RunState.RUNNING: "info",
    RunState.PUBLISHED: "success",
    RunState.FAILED: "danger",
}


@admin.register(AnalysisRun)
class AnalysisRunAdmin(ReadOnlyAdmin):
    """Lists runs with their outcome; a run's page tells each step."""

    list_display = (
        "name", "state_badge", "audit_badge", age_column("published_at", "발표"),
        "seconds", "coins_ok", "coins_failed", "excluded_count", "failure",
    )  # fmt: skip
    list_filter = ("state", "suspect", "error_code")
    date_hierarchy = "window_start"
    fieldsets = (
        (None, {"fields": ("name", "state_badge", "audit_badge", "failure", "error")}),
        ("단계", {"fields": ("steps_table",)}),
        (
            "결과",
            {
                "fields": (
                    ("coins_ok", "coins_failed"), ("universe_size", "excluded_count"),
                    "settings", "status_table", "audit_table",
                )
            },
        ),
        (
            "시각",
            {
                "fields": (
                    ("window_start", "data_as_of"), ("started_at", "published_at"),
                    ("valid_until", "next_run_at"), ("heartbeat_at", "attempt"),
                )
            },
        ),
    )  # fmt: skip

    @admin.display(description="실행", ordering="window_start")
    def name(self, run: AnalysisRun) -> str:
        """Return the public name."""
        return run.run_id

    @badge("상태", STATE_BADGES, ordering="state")
    def state_badge(self, run: AnalysisRun) -> tuple[str, str]:
        """Show the state in its colour."""
        return run.state, run.get_state_display()

    @badge("검산", {"ok": "success", "bad": "danger"}, ordering="suspect")
    def audit_badge(self, run: AnalysisRun) -> tuple[str, str] | None:
        """Say whether the second calculation agreed."""
        if run.suspect:
            return "bad", "불일치"
        return ("ok", "일치") if run.audit else None

    @admin.display(description="소요 (초)")
    def seconds(self, run: AnalysisRun) -> str:
        """Return how long the steps took together; the run's page has each of them."""
        total = sum(step.get("seconds", 0) for _, step in run.ordered_steps())
        return f"{total:.1f}"

    @admin.display(description="실패 이유", ordering="error_code")
    def failure(self, run: AnalysisRun) -> str:
        """Put the error code into words."""
        return words_for(run.error_code)

    @admin.display(description="단계별 기록")
    def steps_table(self, run: AnalysisRun) -> str:
        """Show duration, counts and error of each step."""
        steps = [
            (STEPS[name], step, _counts(step)) for name, step in run.ordered_steps()
        ]
        return render_to_string("market/steps.html", {"steps": steps})

    @admin.display(description="시장 상태")
    def status_table(self, run: AnalysisRun) -> str:
        """Show what the run found about the whole market."""
        return _pairs(run.market_status)

    @admin.display(description="검산 내용")
    def audit_table(self, run: AnalysisRun) -> str:
        """Show which coins were computed a second time and where that differed."""
        if run.audit is None:
            return "-"
        found = run.audit.get("mismatches", [])
        named = [
            {**one, "name": FACTORS.get(one["figure"], (one["figure"],))[0]}
            for one in found
        ]
        context = {"coins": run.audit.get("coins", []), "mismatches": named}
        return render_to_string("market/audit.html", context)


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    """Which run readers get."""

    list_display = ("current", "as_of")
    list_select_related = ("current",)

    @admin.display(description="데이터 기준")
    def as_of(self, row: Publication) -> Any:
        """Return the time of the data."""
        return row.current.data_as_of if row.current else None

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The home page already shows it."""
        return False


def _counts(step: dict[str, Any], /) -> dict[str, Any]:
    return {FIGURES.get(name, name): n for name, n in step.get("counts", {}).items()}


def _pairs(values: dict[str, Any] | None, /) -> str:
    if not values:
        return "-"
    pairs = {
        FIGURES.get(name, name): VALUES.get(str(v), v) for name, v in values.items()
    }
    return render_to_string("market/pairs.html", {"pairs": pairs})
