"""The outbox: nudges for the workers, written in the transaction that makes the work.

A nudge says only which job should look after which row. It stays until the job has looked
(`settle`), and is sent again, ever more rarely, while nobody has: so a message that the broker
lost costs time and nothing else.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from staff.actions import sql

CHANNEL = "forestaff_nudge"
REMEMBER = "remember_goal"  # something was said on a goal that is to be remembered
SCRUB = "scrub"  # rows that hold forgotten words are dead: have the database drop them
RESEND_S = 5  # doubled with each sending
LONGEST_RESEND_S = 300
NO_ROOM_S = 0.1  # until the relay looks again whether there is room for what is due

ANEW = "SET start_by = excluded.start_by, due_at = excluded.due_at, sent_at = NULL, sends = 0"
NUDGE = f"""
    INSERT INTO staff_outbox (job, subject_id, start_by, due_at, sent_at, sends)
    VALUES (%s, %s, %s, coalesce(%s, now()), NULL, 0)
    ON CONFLICT (job, subject_id) DO UPDATE {ANEW}
"""
TAKE = """
    WITH window_left AS (
        SELECT greatest(0, %(window)s - count(*)) AS n FROM staff_outbox
        WHERE sent_at IS NOT NULL AND due_at > now()
    ), due AS (
        SELECT id FROM staff_outbox
        WHERE due_at <= now()
        ORDER BY start_by LIMIT (SELECT n FROM window_left)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE staff_outbox o
    SET sent_at = now(), sends = least(sends + 1, 30),
        due_at = now() + least(%(longest)s, %(resend)s * power(2, least(sends, 10)))
                 * interval '1 second'
    FROM due WHERE o.id = due.id
    RETURNING o.job, o.subject_id, o.start_by
"""


def nudge(
    job: str, subject_id: int, *, start_by: datetime | None = None, due_at: datetime | None = None
) -> None:
    """Ask for a job to look after a row, once this transaction is committed (or at due_at)."""
    sql.rows(NUDGE, [job, subject_id, start_by or due_at or timezone.now(), due_at])
    sql.rows(f"NOTIFY {CHANNEL}")


def take_due(window: int) -> list[tuple[str, int]]:
    """Mark what is due as sent and return it, the most pressing first: (job, subject id).

    window: at most so many nudges are under way at once; the others wait here
    """
    taken = sql.rows(TAKE, {"window": window, "resend": RESEND_S, "longest": LONGEST_RESEND_S})
    return [(job, subject_id) for job, subject_id, _ in sorted(taken, key=lambda row: row[2])]


def send_again() -> None:
    """What is under way may be lost, with the broker or in the hands of a worker that died: send
    it once more, however long its turn would be away."""
    sql.rows("UPDATE staff_outbox SET due_at = now(), sends = 0 WHERE sent_at IS NOT NULL")
    sql.rows(f"NOTIFY {CHANNEL}")


def next_due_s(longest: float) -> float:
    """Seconds until the next nudge that waits for its time, at most `longest`.

    One whose time has come and that still is not sent waits for room in the window.
    """
    ((due_s,),) = sql.rows(
        "SELECT extract(epoch FROM min(due_at) - now())::float8 FROM staff_outbox"
        " WHERE sent_at IS NULL"
    )
    if due_s is None:
        return longest
    return min(due_s, longest) if due_s > 0 else NO_ROOM_S


def settle(job: str, subject_id: int) -> None:
    """The job has looked after the row. A nudge that was renewed meanwhile stays."""
    sql.rows(
        "DELETE FROM staff_outbox WHERE job = %s AND subject_id = %s AND sent_at IS NOT NULL",
        [job, subject_id],
    )


def put_off(job: str, subject_id: int) -> None:
    """The job could do nothing yet: send the nudge again later, out of the others' way."""
    sql.rows(
        "UPDATE staff_outbox SET sent_at = NULL"
        " WHERE job = %s AND subject_id = %s AND sent_at IS NOT NULL",
        [job, subject_id],
    )


def drop(job: str, subject_id: int) -> None:
    """Nobody need look any more: the work was taken."""
    sql.rows("DELETE FROM staff_outbox WHERE job = %s AND subject_id = %s", [job, subject_id])
