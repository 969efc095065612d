"""Tell open pages what was committed. A hint only: whoever misses it reads the stream again."""

from __future__ import annotations

import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)


def goal_group(goal_id: int) -> str:
    return f"goal.{goal_id}"


def workspace_group(workspace_id: int) -> str:
    return f"workspace.{workspace_id}"


def after_commit(group: str, kind: str, **payload: Any) -> None:
    """Send {type: kind, **payload} to a group once the transaction is committed."""
    transaction.on_commit(lambda: _send(group, {"type": kind, **payload}))


def _send(group: str, message: dict[str, Any]) -> None:
    try:
        async_to_sync(get_channel_layer().group_send)(group, message)
    except Exception as reason:  # the broker may be away; the commit stands and pages catch up
        logger.warning("could not tell %s: %s", group, reason)
