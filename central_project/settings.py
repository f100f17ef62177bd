"""Settings of the central server, all from the environment; see .env.central.example."""

from __future__ import annotations

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from central_project.console import theme
from central_project.logs import form_of, log_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
_named = os.environ.get("DANTARO_ENV_FILE")
for env_file in (
    [Path(_named)]
    if _named
    else [BASE_DIR / ".run" / "central.env", BASE_DIR / ".env.central"]
):
    # The process environment wins over files, the first file over the second; a file
    # named explicitly is the only one, so stacks never borrow from each other.
    if env_file.is_file():
        env.read_env(str(env_file))


def _required(name: str) -> str:
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Run `make up` (it starts everything and writes"
            f" .run/central.env), or set it in .env.central;"
            f" .env.central.example explains it."
        )
    return value


def _positive(name: str, default: int) -> int:
    text = env.str(name, default=str(default))
    if not text.isdecimal() or int(text) == 0:
        raise ImproperlyConfigured(
            f"{name} must be a whole number above 0, not {text!r}."
            f" Correct it in .env.central, or remove it to use {default}."
        )
    return int(text)


SECRET_KEY = _required("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    # Before unfold, and unfold before the admin: the first template of a name wins.
    "central_project.console",
    "central_project.market",
    "central_project.api",
    "unfold",
    "django_celery_beat",
    "django_ratelimit",
    "django_prometheus",
    "rest_framework",
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
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "central_project.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "central_project.console.middleware.korean_console",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "central_project.urls"
WSGI_APPLICATION = "central_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        **env.db_url_config(_required("DATABASE_URL")),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured(
        "DATABASE_URL must name a PostgreSQL database"
        " (postgresql://user:password@host:port/name). Run `make up` for a private one."
    )
REDIS_URL = _required("REDIS_URL")
CACHE_URL = env.str("CACHE_URL", default=REDIS_URL)
_CACHE = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": CACHE_URL,
    "TIMEOUT": 300,  # every key expires: the broker may share the instance
    "OPTIONS": {
        "IGNORE_EXCEPTIONS": True,  # Redis away is a slower answer, never an error
        "SOCKET_CONNECT_TIMEOUT": 0.3,
        "SOCKET_TIMEOUT": 0.5,
        "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
    },
}
CACHES = {
    "default": {**_CACHE, "KEY_PREFIX": "dc-cache"},
    "ratelimit": {**_CACHE, "KEY_PREFIX": "dc-limit"},
}
RATELIMIT_USE_CACHE = "ratelimit"
RATELIMIT_FAIL_OPEN = True  # api.throttling then applies its in-process bound
RATELIMIT_IP_META_KEY = "central_project.api.throttling.client_ip"
TRUSTED_PROXIES = env.int("DANTARO_TRUSTED_PROXIES", default=0)
"""Proxies in front of this server that append to X-Forwarded-For."""

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "central_project" / "locale"]
FORMAT_MODULE_PATH = ["central_project.formats"]
TIME_ZONE = "Asia/Seoul"
USE_TZ = True
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# Two local servers share the host name 127.0.0.1: own cookie names, or each would
# log the other out.
SESSION_COOKIE_NAME = "dantaro_central_session"
CSRF_COOKIE_NAME = "dantaro_central_csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("HTTPS", default=False)
X_FRAME_OPTIONS = "DENY"
UNFOLD = theme.UNFOLD

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "central_project.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "central_project.api.authentication.HasKeyOrIsStaff"
    ],
    "DEFAULT_THROTTLE_CLASSES": ["central_project.api.throttling.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": [
        "central_project.api.renderers.WireRenderer",
        *(
            ["rest_framework.renderers.BrowsableAPIRenderer"]
            if env.bool("API_BROWSABLE", default=True)
            else []
        ),
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "URL_FORMAT_OVERRIDE": None,  # one way to choose a form: the Accept header
    "EXCEPTION_HANDLER": "central_project.api.errors.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Dantaro central API",
    "DESCRIPTION": (
        "원화 마켓의 추천 코인, 지지선, 시장 상태. 몇 분마다 새로 계산합니다."
        " `Authorization: Bearer <API 키>`를 보내세요. 키마다 60초에 100번까지 요청할 수"
        " 있고 (키에 따라 다를 수 있음) 묶음은 한 번으로 셉니다. 소수는 문자열, 시각은"
        " ISO-8601 UTC, 오류는 바뀌지 않는 `code`가 있는 `application/problem+json`"
        "입니다. 모르는 키는 무시하세요.\n\n"
        "Recommendations, support levels and market status of the KRW market,"
        " recomputed every few minutes."
        " Send `Authorization: Bearer <API key>`. Every key may ask 100 times in 60"
        " seconds unless it has a rate of its own, counted over all endpoints together;"
        " a bundle counts once."
        " Decimals are strings, times are ISO-8601 UTC, errors are"
        " `application/problem+json` with a stable `code`. Ignore keys you do not"
        " know: new ones may appear within v1. Query parameters that an address does"
        " not know are refused."
    ),
    "VERSION": "1",
    "POSTPROCESSING_HOOKS": ["central_project.api.schema.demand_bodies"],
    "OAS_VERSION": "3.1.0",  # the JSON schemas of pydantic need it
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # An integrator has a key; the operators' session is for the browser alone.
    "AUTHENTICATION_WHITELIST": [
        "central_project.api.authentication.ApiKeyAuthentication"
    ],
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "persistAuthorization": True,
        "displayRequestDuration": True,
        "validatorUrl": None,  # it would send the description to its maker
    },
}

# --- Dantaro -----------------------------------------------------------------
UPBIT_BASE_URL = env.str("UPBIT_BASE_URL", default="https://api.upbit.com")
RATE_FACTOR = env.float("DANTARO_RATE_FACTOR", default=1.0)
"""Scales the pace towards the exchange (a simulator may allow more)."""
WINDOW_SECONDS = _positive("DANTARO_WINDOW_SECONDS", 300)
ENSURE_SECONDS = _positive("DANTARO_ENSURE_SECONDS", 30)
VALIDITY_SECONDS = _positive("DANTARO_VALIDITY_SECONDS", 900)
HISTORY_DAYS = _positive("DANTARO_HISTORY_DAYS", 90)
FLOWER_URL = env.str("FLOWER_URL", default="")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Opens /metrics; without one nobody may look."""
ENVIRONMENT = env.str("DANTARO_ENVIRONMENT", default="production")
if ENVIRONMENT not in theme.ENVIRONMENTS:
    raise ImproperlyConfigured(
        f"DANTARO_ENVIRONMENT must be one of {', '.join(theme.ENVIRONMENTS)},"
        f" not {ENVIRONMENT!r}. Correct it in .env.central."
    )

# --- Celery: messages only wake, the database is the timer and the truth ------
CELERY_BROKER_URL = REDIS_URL
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_RESULT_EXPIRES = None  # nothing to clean: beat adds no schedule of its own
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 50  # pandas grows; a fresh child is cheap
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {"market.run_pipeline": {"queue": "pipeline"}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    "queue_order_strategy": "priority",
    "global_keyprefix": "dc:",
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SYNC_EVERY = 1  # last_run_at in the database is beat's sign of life

# --- Logs -----------------------------------------------------------------------
try:
    LOG_FORMAT = form_of(env.str("LOG_FORMAT", default=""))
except ValueError as error:
    raise ImproperlyConfigured(
        f"LOG_FORMAT must be json or line, not {str(error)!r}. Correct it in"
        " .env.central, or remove it: a terminal then gets lines, all else JSON."
    ) from error
LOGGING_CONFIG = "central_project.logs.apply"
LOGGING = log_config(form=LOG_FORMAT, level=env.str("LOG_LEVEL", default="INFO"))
