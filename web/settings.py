"""Settings, all from the environment; without any, the services that `make up` started are used."""

from __future__ import annotations

import dj_database_url

from web import env

BASE_DIR = env.CHECKOUT
DATA_DIR = env.data_folder()
GOALS_DIR = DATA_DIR / "goals"
DOCUMENTS_DIR = DATA_DIR / "documents"
LOGS_DIR = DATA_DIR / "logs"

SECRET_KEY = env.secret_key()
DEBUG = env.boolean("FORESTAFF_DEBUG", False)
ALLOWED_HOSTS = env.names("FORESTAFF_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("FORESTAFF_ORIGINS", [])

DATABASE_URL = env.text("DATABASE_URL", "") or env.running_service("database_url")
REDIS_URL = env.text("REDIS_URL", "") or env.running_service("redis_url")
PUBLIC_URL = env.text("FORESTAFF_URL", "") or env.running_service("web_url")
NOT_RUNNING = "postgresql://postgres@/forestaff?host=/nonexistent"  # a clear refusal, not a guess

# What the staff works with
DEFAULT_MODEL = env.text("MODEL", "")  # empty: chosen by this machine's memory
MODEL_THREADS = env.integer("FORESTAFF_MODEL_THREADS", 0)  # 0: the cores this process may use
CONTEXT_TOKENS = env.integer("FORESTAFF_CONTEXT_TOKENS", 4096)  # of one request
UNLOAD_AFTER_S = env.integer("FORESTAFF_UNLOAD_AFTER_S", 1800)  # idle models; 0: never
# Servers that speak OpenAI's protocol, NAME=URL; an agent's model is then "NAME/MODEL".
MODEL_SERVERS = env.pairs("FORESTAFF_SERVERS")
MODEL_SERVER_KEYS = env.pairs("FORESTAFF_SERVER_KEYS")
PREFIX_CACHE_MB = env.integer("FORESTAFF_PREFIX_CACHE_MB", 500)  # on disk; 0: nothing is kept
GPU_LAYERS = env.integer("FORESTAFF_GPU_LAYERS", -1)  # -1: all, if there is a GPU
RECALL_CACHE_MB = env.integer("FORESTAFF_RECALL_CACHE_MB", 256)
EMBEDDER = env.text("EMBEDDER", "wordllama")  # or a GGUF embedding model of the catalogue
LEASE_S = env.integer("FORESTAFF_LEASE_S", 60)
HEARTBEAT_S = env.integer("FORESTAFF_HEARTBEAT_S", 10)
WATCH_FOLDERS = env.names("FORESTAFF_WATCH", [str(DATA_DIR / "inbox")])  # PATH or ID=PATH
SCRIPT = env.text("FORESTAFF_SCRIPT", "")  # "package.module:function" answers instead of a model
# Events of goals that ended longer ago than this are kept in compressed form; nothing is deleted.
NOTES_TOKENS = env.integer("FORESTAFF_NOTES_TOKENS", 300)  # of memory in a program's prompt
ARCHIVE_AFTER_DAYS = env.integer("FORESTAFF_ARCHIVE_AFTER_DAYS", 30)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "staff",
    "web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "web.security.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "web.workspaces.CurrentWorkspace",
]

ROOT_URLCONF = "web.urls"
ASGI_APPLICATION = "web.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "web.workspaces.shell",
            ],
        },
    }
]

DATABASES = {
    "default": {
        **dj_database_url.parse(DATABASE_URL or NOT_RUNNING),
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASES["default"]["OPTIONS"] = {
    # a worker's job and a page's request borrow a connection instead of opening one
    "pool": {"min_size": 1, "max_size": env.integer("FORESTAFF_DB_CONNECTIONS", 16), "timeout": 20},
    "server_side_binding": True,
    "prepare_threshold": 5,
    "options": "-c statement_timeout=30s -c lock_timeout=10s"
    " -c idle_in_transaction_session_timeout=60s",
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL or "redis://127.0.0.1:1/0"], "prefix": "forestaff"},
    }
}

CELERY_BROKER_URL = REDIS_URL or "redis://127.0.0.1:1/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # a message lost with its worker; the outbox is quicker
    "socket_timeout": 10,
    "health_check_interval": 10,
}
CELERY_TASK_DEFAULT_QUEUE = "office"
CELERY_TASK_ROUTES = {
    "orchestrator.tasks.plan_goal": {"queue": "staff"},
    "orchestrator.tasks.run_task": {"queue": "staff"},
    "orchestrator.tasks.remember_goal": {"queue": "staff"},  # where the embedder is loaded anyway
    "orchestrator.tasks.consolidate": {"queue": "staff"},
}
CELERY_BEAT_SCHEDULE = {
    "reap": {"task": "orchestrator.tasks.reap", "schedule": 5.0, "options": {"expires": 5}},
    "archive": {
        "task": "orchestrator.tasks.archive_events",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "consolidate": {
        "task": "orchestrator.tasks.consolidate",
        "schedule": 120.0,
        "options": {"expires": 120},
    },
    "fire_routines": {
        "task": "orchestrator.tasks.fire_routines",
        "schedule": 3.0,
        "options": {"expires": 3},
    },
    "sweep_documents": {
        "task": "orchestrator.tasks.sweep_documents",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}

AUTH_USER_MODEL = "staff.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "web.api.authentication.BearerToken",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["web.api.permissions.InWorkspace"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "web.api.errors.explain",
}
SPECTACULAR_SETTINGS = {"TITLE": "Forestaff", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TZ", "UTC") or "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
# Two installations on one host share cookies whatever their ports: name them apart.
SESSION_COOKIE_NAME = f"forestaff_{env.integer('FORESTAFF_PORT', 0) or 'session'}"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"secrets": {"()": "web.logs.HideSecrets"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"]}
    },
    "root": {"handlers": ["console"], "level": env.text("FORESTAFF_LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}, "channels_redis": {"level": "WARNING"}},
}
