"""The door for HTTP and websockets."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
http = get_asgi_application()  # loads the apps; what follows needs them

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from web.consumers import GoalStream, NoSuchStream  # noqa: E402

sockets = URLRouter(
    [
        path("ws/goals/<int:goal_id>", GoalStream.as_asgi()),
        path("<path:anything>", NoSuchStream.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
