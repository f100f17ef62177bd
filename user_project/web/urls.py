"""Addresses for people."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from user_project.web import views
from user_project.web.accounts import account_action, accounts
from user_project.web.bot_options import bot_options
from user_project.web.by_hand import by_hand
from user_project.web.chart import chart
from user_project.web.emergency import emergency, emergency_result
from user_project.web.live import live_consent
from user_project.web.login import LimitedLoginView, OwnPasswordView, login_code
from user_project.web.look import look_page
from user_project.web.new_bot import new_bot
from user_project.web.notify import notify, target_action
from user_project.web.profit import profit, profit_csv
from user_project.web.ranking import central_status, ranking
from user_project.web.security import security
from user_project.web.trades import FILLS, ORDERS, trades, trades_csv, year_csv

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", LimitedLoginView.as_view(), name="login"),
    path("login/code/", login_code, name="login-code"),
    path("security/", security, name="security"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", OwnPasswordView.as_view(), name="own-password"),
    path("bots/new/", new_bot, name="new-bot"),
    path("bots/<uuid:bot_id>/", views.bot, name="bot"),
    path("bots/<uuid:bot_id>/options/", bot_options, name="bot-options"),
    path("bots/<uuid:bot_id>/events/", views.events, name="bot-events"),
    path("bots/<uuid:bot_id>/chart.json", chart, name="bot-chart"),
    path("bots/<uuid:bot_id>/live/", live_consent, name="bot-live"),
    path("bots/<uuid:bot_id>/by-hand/<slug:action>/", by_hand, name="by-hand"),
    path("bots/<uuid:bot_id>/<slug:action>/", views.act, name="bot-action"),
    path("look/", look_page, name="look"),
    path("ranking/", ranking, name="ranking"),
    path("central/", central_status, name="central-status"),
    path("orders/", trades, {"kind": ORDERS}, name="orders"),
    path("orders.csv", trades_csv, {"kind": ORDERS}, name="orders-csv"),
    path("fills/", trades, {"kind": FILLS}, name="fills"),
    path("fills.csv", trades_csv, {"kind": FILLS}, name="fills-csv"),
    path("fills/<int:year>.csv", year_csv, name="year-csv"),
    path("profit/", profit, name="profit"),
    path("profit/<int:year>/<int:month>/", profit, name="profit-month"),
    path(
        "profit/<int:year>/<int:month>/<slug:kind>.csv", profit_csv, name="profit-csv"
    ),
    path("accounts/", accounts, name="accounts"),
    path(
        "accounts/<uuid:account_id>/<slug:action>/",
        account_action,
        name="account-action",
    ),
    path("notify/", notify, name="notify"),
    path("notify/<uuid:target_id>/<slug:action>/", target_action, name="target-action"),
    path("stop/", emergency, name="owner-emergency"),
    path("stop/<uuid:stop_id>/", emergency_result, name="emergency-result"),
]
