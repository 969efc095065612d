"""`manage.py bench memory`: does the staff remember well, fast, and only what it may?

Each part takes the boss of a temporary office and returns some of the keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from web.management.benches.memory import (
    changes,
    forgetting,
    isolation,
    quality,
    speed,
    wordings,
    writers,
)
from web.management.benches.office import temporary_office

Say = Callable[[str], None]

# What the parts fill in; null where a part was not run.
KEYS = (
    "recall_at_10",
    "mrr",
    "bm25_recall_at_10",
    "bm25_mrr",
    "by_kind",
    "query_p95_ms_6k",
    "query_p95_ms_100k",
    "write_p95_ms",
    "rows_after_consolidation",
    "wrong_merges",
    "current_value_first",
    "leaks",
    "forgotten_found",
    "lock_errors",
)
PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "quality": quality.run,
    "changes": changes.run,
    "isolation": isolation.run,
    "forgetting": forgetting.run,
    "wordings": wordings.run,
    "writers": writers.run,
    "speed": speed.run,
}


def run(say: Say, parts: list[str], **options: Any) -> dict[str, Any]:
    """The parts asked for, in their order, each said and then gathered into one line."""
    found: dict[str, Any] = dict.fromkeys(KEYS)
    with temporary_office() as boss:
        for name in parts:
            figures = PARTS[name](boss, say, **options)
            found |= figures
    return found
