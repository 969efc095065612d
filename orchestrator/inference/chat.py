"""From messages to prompt text, by the model's own template.

A message may hold anything: a mail, a web page, a file that spells out "<|im_end|>". So the
template is rendered over placeholders, and the caller tokenizes its parts apart: the template's
own text with control tokens, the messages' text without. What a message says can never end its
turn.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.inference.base import InferenceError, Message


class ChatTemplate:
    """formatter: called with `messages` (dicts of role and content), has `.prompt` in return."""

    def __init__(self, formatter: Callable[..., Any]):
        self._formatter = formatter

    def render(self, messages: Sequence[Message]) -> list[tuple[str, bool]]:
        """(text, control) in order; control is True for text of the template.

        Raises InferenceError if the template refuses the messages, for instance a role.
        """
        mark = secrets.token_hex(8)
        marked = [
            {"role": message.role, "content": f"{mark}:{i}:{mark}"}
            for i, message in enumerate(messages)
        ]
        try:
            prompt: str = self._formatter(messages=marked).prompt
        except Exception as reason:  # a template is a program from the model's file
            raise InferenceError(f"The model's chat template failed: {reason}") from reason
        parts = re.split(f"{mark}:([0-9]+):{mark}", prompt)
        rendered = [
            (messages[int(part)].content, False) if i % 2 else (part, True)
            for i, part in enumerate(parts)
        ]
        return [(text, control) for text, control in rendered if text]
