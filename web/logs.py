"""What never reaches a log: the secret part of an address."""

from __future__ import annotations

import logging
import re

_SECRET_ADDRESS = re.compile(r"/(hooks|enter)/[^\s/?\"']+")


class HideSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        hidden = _SECRET_ADDRESS.sub(r"/\1/***", said)
        if hidden != said:
            record.msg, record.args = hidden, ()
        return True
