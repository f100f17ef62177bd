"""The operator's wish for an analysis now."""

from __future__ import annotations

from typing import Final

from celery import current_app
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from central_project.market.models import AnalysisRun
from central_project.market.services import runs

TASK: Final = "market.run_pipeline"
"""By name: the task itself would load the whole analysis into the web process."""
EXPIRES: Final = 60
"""Seconds; a worker that takes longer finds the run given up."""

UNTOLD: Final = "Redis가 응답하지 않아 작업을 맡기지 못했습니다."


@require_POST
@permission_required("market.add_analysisrun", raise_exception=True)
def run_now(request: HttpRequest) -> HttpResponse:
    """Claim the window that is due and wake a worker for it."""
    try:
        _ask_broker()
        lease = runs.claim_now(now=timezone.now())
    except OperationalError:
        messages.error(request, UNTOLD)
        return _home()
    except runs.RunBusy:
        messages.warning(
            request, "이미 분석하고 있습니다. 끝난 뒤에 다시 눌러 주세요 (보통 1분 안)."
        )
        return _home()
    try:
        current_app.send_task(
            TASK,
            kwargs={"run_id": lease.run_id, "attempt": lease.attempt},
            expires=EXPIRES,
        )
    except OperationalError as error:
        runs.fail(lease=lease, code="WORKER_LOST", error=str(error))
        messages.error(request, UNTOLD)
        return _home()
    _note(request, lease)
    messages.success(request, "분석을 시작했습니다. 이 화면이 스스로 새로 고쳐집니다.")
    return _home()


def _ask_broker() -> None:
    """Raise OperationalError while the broker is away: a claim would spoil a good run."""
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1)


def _note(request: HttpRequest, lease: runs.RunLease, /) -> None:
    """Leave a trace of who asked."""
    run = AnalysisRun.objects.get(pk=lease.run_id)
    LogEntry.objects.log_actions(
        str(request.user.pk), [run], CHANGE, "지금 분석", single_object=True
    )


def _home() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:index"))
