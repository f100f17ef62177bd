"""Login with a limit on guessing."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django_ratelimit.core import get_usage

from user_project.web.pages import LOOKS, owner_page

RATE: Final = "10/m"


class LimitedLoginView(LoginView):
    """The login page; ten tries a minute per address."""

    template_name = "web/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Count the try, then check the password."""
        usage = get_usage(request, group="login", key="ip", rate=RATE, increment=True)
        if usage is None or not usage["should_limit"]:
            return super().post(request, *args, **kwargs)
        seconds = max(int(usage["time_left"]), 1)
        text = _("로그인을 너무 자주 시도했습니다. %(n)s초 뒤에 다시 하세요.")
        headers = {"Retry-After": str(seconds)}
        return HttpResponse(text % {"n": seconds}, status=429, headers=headers)


@method_decorator(owner_page(*LOOKS, "POST"), name="dispatch")
class OwnPasswordView(PasswordChangeView):
    """A new password for whoever knows the old one; other sessions end with it."""

    template_name = "web/password.html"
    success_url = reverse_lazy("look")

    def form_valid(self, form: Any) -> HttpResponse:
        """Save it and say so."""
        answer = super().form_valid(form)
        messages.success(self.request, _("비밀번호를 바꿨습니다."))
        return answer
