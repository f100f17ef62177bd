"""Login: a password, limits on guessing, and a code where the person wants one."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth import login as log_in
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from user_project.accounts.guesses import TooOften
from user_project.accounts.logins import begin_login, end_login
from user_project.accounts.second_step import (
    WrongCode,
    check_code,
    has_second_step,
    settled,
)
from user_project.bots.passwords import count_try, forget_tries
from user_project.bots.problems import BotProblem
from user_project.web.pages import LOOKS, owner_page

HALF_WAY: Final = "login_half_way"
HALF_WAY_SECONDS: Final = 300


class LimitedLoginView(LoginView):
    """The login page; too many tries have to wait."""

    template_name = "web/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Count the try, then check the password."""
        try:
            begin_login(request=request, name=_name(request), now=timezone.now())
        except TooOften as problem:
            return _too_often(request, problem)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the person in, or ask for the code first."""
        end_login(request=self.request, name=_name(self.request))
        user = form.get_user()
        with settled(user=user):
            if not has_second_step(user):
                answer = super().form_valid(form)
                self.request.session.save()  # or turning the step on would miss it
                return answer
        self.request.session[HALF_WAY] = {
            "user": user.pk,
            "backend": user.backend,
            "until": time.time() + HALF_WAY_SECONDS,
            "next": self.get_success_url(),
        }
        return redirect("login-code")


@never_cache
@require_http_methods([*LOOKS, "POST"])
def login_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code of somebody whose password was right."""
    half_way = request.session.get(HALF_WAY)
    if not half_way or half_way["until"] < time.time():
        return _anew(request)
    if request.method != "POST":
        return render(request, "web/login_code.html")
    people = get_user_model().objects.filter(pk=half_way["user"], is_active=True)
    user = people.first()
    if user is None or not has_second_step(user):
        return _anew(request)
    code = request.POST.get("code", "")
    try:
        check_code(user=user, code=code, now=timezone.now())
    except TooOften as problem:
        return _too_often(request, problem)
    except WrongCode as problem:
        messages.error(request, str(problem))
        return render(request, "web/login_code.html", status=400)
    request.session.pop(HALF_WAY, None)
    log_in(request, user, backend=half_way["backend"])
    return redirect(half_way["next"])


def console_login(request: HttpRequest, *_: Any) -> HttpResponse:
    """Lead operators to the one login there is; the admin has none of its own."""
    if request.user.is_authenticated:
        return render(request, "web/no_console.html", status=403)
    wanted = request.GET.get("next") or reverse("admin:index")
    return redirect(f"{reverse('login')}?{urlencode({'next': wanted})}")


@method_decorator(owner_page(*LOOKS, "POST"), name="dispatch")
class OwnPasswordView(PasswordChangeView):
    """A new password for whoever knows the old one; other sessions end with it."""

    template_name = "web/password.html"
    success_url = reverse_lazy("look")

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """Look at the old one, but not for whoever tries one after the other."""
        person: Any = request.user
        try:
            count_try(person=person)
        except BotProblem as problem:
            messages.error(request, problem.message)
            empty = self.form_class(person)
            return self.render_to_response(
                self.get_context_data(form=empty), status=429
            )
        return super().post(request, *args, **options)

    def form_invalid(self, form: Any) -> HttpResponse:
        """Say what is wrong; with the right old one it was no guess."""
        if "old_password" not in form.errors:
            forget_tries(person=self.request.user)
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save it and say so."""
        forget_tries(person=self.request.user)
        answer = super().form_valid(form)
        messages.success(self.request, _("비밀번호를 바꿨습니다."))
        return answer


def _anew(request: HttpRequest, /) -> HttpResponse:
    request.session.pop(HALF_WAY, None)
    if not request.user.is_authenticated:  # in another tab, perhaps
        messages.warning(request, _("다시 로그인하세요."))
    return redirect("login")


def _too_often(request: HttpRequest, problem: TooOften, /) -> HttpResponse:
    answer = render(
        request, "web/too_often.html", {"minutes": problem.minutes}, status=429
    )
    answer["Retry-After"] = str(problem.seconds)
    return answer


def _name(request: HttpRequest, /) -> str:
    return request.POST.get("username", "")
