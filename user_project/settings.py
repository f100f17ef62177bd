"""Settings of the user server, all from the environment; see .env.user.example."""

from __future__ import annotations

import base64
import os
import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from user_project.console import theme

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
_named = os.environ.get("DANTARO_ENV_FILE")
for env_file in (
    [Path(_named)]
    if _named
    else [BASE_DIR / ".run" / "user.env", BASE_DIR / ".env.user"]
):
    # The process environment wins over files, the first file over the second; a file
    # named explicitly is the only one, so stacks never borrow from each other.
    if env_file.is_file():
        env.read_env(str(env_file))

SETTINGS_FREE = env.bool("DANTARO_SETTINGS_FREE", default=False)
"""Set by manage_user.py for pure calculators, which need none of the services."""


def _required(name: str, stand_in: str) -> str:
    value: str = env.str(name, default=stand_in if SETTINGS_FREE else "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Run `make up` (it starts everything and writes"
            f" .run/user.env), or set it in .env.user; .env.user.example explains it."
        )
    return value


def _key_encryption_key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(
            f"{name} must be 32 bytes in base64. Make one with: python3 -c"
            " 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'"
        )
    return key


def _networks(name: str, texts: list[str]) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(text.strip()) for text in texts]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {error}. List the addresses of the proxies in front of this"
            " server, comma separated: 127.0.0.1,10.0.0.0/24 (central wants a number)."
        ) from error


SECRET_KEY = _required("SECRET_KEY", "settings-free")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXIES = _networks(
    "DANTARO_TRUSTED_PROXIES", env.list("DANTARO_TRUSTED_PROXIES", default=[])
)
"""Proxies whose X-Forwarded-For tells the client; empty: the header is ignored."""

INSTALLED_APPS = [
    # Before unfold, and unfold before the admin: the first template of a name wins.
    "user_project.console",
    "user_project.stream",
    "user_project.web",
    "user_project.api",
    "user_project.notifications",
    "user_project.bots",
    "user_project.accounts",
    "user_project.central_api",
    "unfold",
    "django_htmx",
    "csp",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "user_project.console.middleware.korean_console",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]
ROOT_URLCONF = "user_project.urls"
WSGI_APPLICATION = "user_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "user_project.web.look.look",
                "user_project.web.server_stop.server_stop",
                "user_project.web.exchange.exchange_line",
            ]
        },
    }
]

DATABASES = {
    "default": {
        **env.db_url_config(
            _required("DATABASE_URL", "postgresql://none@127.0.0.1/none")
        ),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
REDIS_URL = _required("REDIS_URL", "redis://127.0.0.1/0")
CACHE_URL = env.str("CACHE_URL", default=REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "du-cache",
        "TIMEOUT": 300,  # every key expires: the broker may share the instance
        "OPTIONS": {
            # Never pickle: whoever writes to Redis must not run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "IGNORE_EXCEPTIONS": True,  # Redis away is a slow page, never an error
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
}

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "user_project" / "locale"]
TIME_ZONE = "Asia/Seoul"
USE_TZ = True
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # straight from the packages: nothing to collect
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
OTP_TOTP_ISSUER = "Dantaro"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
# Two local servers share the host name 127.0.0.1: own cookie names, or each would
# log the other out.
SESSION_COOKIE_NAME = "dantaro_user_session"
CSRF_COOKIE_NAME = "dantaro_user_csrf"
CSRF_FAILURE_VIEW = "user_project.web.kept_form.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("HTTPS", default=False)
X_FRAME_OPTIONS = "DENY"
# Only our own files; nothing written into a page runs. The console's and the API pages'
# libraries write into pages themselves: for operators and programs, kept out of this.
STREAM_URL = env.str("STREAM_URL", default="")
"""Where pages hear of changes at once; empty: they ask every few seconds."""
STREAM_ORIGINS = env.list("STREAM_ORIGINS", default=[])
"""Addresses of the pages, where they differ from the stream's (scheme://host:port)."""
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/", "/api/"],
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, *filter(None, [STREAM_URL.partition("?")[0]])],
        "img-src": [SELF, "data:"],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first one names the status of an anonymous call: 401, not 403.
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    # One way to write: a form of another site can never be taken for a request.
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "user_project.api.errors.problem_response",
    "DEFAULT_PAGINATION_CLASS": "user_project.api.paging.CheckedPages",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Dantaro user server",
    "DESCRIPTION": "Bots, cycles and orders of one owner or a few.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "user_project.api.describe.add_problems",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

UNFOLD = theme.UNFOLD

# --- Dantaro -----------------------------------------------------------------
CENTRAL_API_URL = env.str("CENTRAL_API_URL", default="")
CENTRAL_API_KEY = env.str("CENTRAL_API_KEY", default="")
PULL_SECONDS = env.int("DANTARO_PULL_SECONDS", default=60)
RECONCILE_SECONDS = env.int("DANTARO_RECONCILE_SECONDS", default=30)
UPBIT_BASE_URL = env.str("UPBIT_BASE_URL", default="https://api.upbit.com").rstrip("/")
"""Where prices and order rules come from, and the host of new paper accounts."""
RATE_FACTOR = env.float("DANTARO_RATE_FACTOR", default=1.0)
LIVE_TRADING = env.bool("DANTARO_LIVE_TRADING", default=False)
KEYS_KEK = _key_encryption_key(
    "DANTARO_KEYS_KEK",
    _required("DANTARO_KEYS_KEK", base64.b64encode(bytes(32)).decode()),
)
_old_kek = env.str("DANTARO_KEYS_KEK_OLD", default="")
KEYS_KEK_OLD = (
    _key_encryption_key("DANTARO_KEYS_KEK_OLD", _old_kek) if _old_kek else None
)
"""Only while `rotate_keks` moves the stored keys to a new KEK."""
INSTANCE = env.str("DANTARO_INSTANCE", default="main")
"""Part of every order identifier: two installations on one account never collide."""
SHARDS = env.int("DANTARO_SHARDS", default=2)
FLOWER_URL = env.str("FLOWER_URL", default="")

# --- Celery: messages only wake, the database is the timer and the truth ------
CELERY_BROKER_URL = REDIS_URL
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000  # KiB
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_TASK_TIME_LIMIT = 40  # the watchdog of bots.canary counts on less than 45
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name), routing_key=name)
    for name in (
        *(f"bots.{shard}" for shard in range(SHARDS)),
        *("reconcile", "pull", CELERY_TASK_DEFAULT_QUEUE),
    )
]
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a mistyped queue is an error at once
# bots.run_bots names the queue of its shard with every message.
CELERY_TASK_ROUTES = {
    "bots.reconcile_accounts": {"queue": "reconcile"},
    "bots.reconcile_one": {"queue": "reconcile"},
    "central.pull": {"queue": "pull"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_POOL_LIMIT = 10
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    "queue_order_strategy": "priority",
    "global_keyprefix": "du:",
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_ETA_TASK_LIMIT = 100
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = False  # twice the messages for what Flower sees anyway
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": "line",
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # These would print request lines with identifiers on every tick.
        name: {"level": "WARNING"}
        for name in ("httpx", "httpcore", "urllib3", "django.db.backends")
    },
}
