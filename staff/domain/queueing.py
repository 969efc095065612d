"""Whose turn it is: every ready task gets, once, the time by which it should be started.

The queue is ordered by that time alone. New work gets ever later times, so whatever waits comes to
the front by itself: nothing starves, and an index on one column keeps the queue in order.
"""

from __future__ import annotations

from datetime import datetime, timedelta

PATIENCE_S = (3600, 600, 60, 0)  # how long low, normal, high and urgent work may wait
FAIR_SHARE_S = 15  # how much later each further open task of the same goal may start
MARGIN_S = 900  # work is started this long before its goal's deadline
MOST_AHEAD_S = 600  # what a deadline can win at the most, so that it cannot starve the others


def start_by(
    ready_at: datetime, priority: int, deadline_at: datetime | None = None, ahead: int = 0
) -> datetime:
    """When a task that became ready at `ready_at` should be started.

    priority: 0 (low) to 3 (urgent)
    ahead:    tasks of the same goal that are ready or running already; one goal with many tasks
              thereby shares the staff with goals that have few
    Source: virtual finishing times of weighted fair queueing (Demers, Keshav, Shenker 1989), with
    deadlines as in earliest-deadline-first.
    """
    patience_s = PATIENCE_S[min(max(priority, 0), len(PATIENCE_S) - 1)]
    wanted = ready_at + timedelta(seconds=patience_s + ahead * FAIR_SHARE_S)
    if deadline_at is not None:
        wanted = min(wanted, deadline_at - timedelta(seconds=MARGIN_S))
    return max(wanted, ready_at - timedelta(seconds=MOST_AHEAD_S))
