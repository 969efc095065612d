"""What programs use of the language models, by token and day."""

from __future__ import annotations

from staff.actions import sql


def record(token_id: int, model: str, *, prompt: int, cached: int, completion: int) -> None:
    """Add one request to what the token has used today. Tokens of a token that is gone are lost."""
    sql.rows(
        "INSERT INTO staff_modelusage (token_id, model, day, requests, prompt_tokens,"
        " cached_tokens, completion_tokens)"
        " SELECT id, %s, (now() AT TIME ZONE 'utc')::date, 1, %s, %s, %s"
        " FROM staff_apitoken WHERE id = %s"
        " ON CONFLICT (token_id, day, model) DO UPDATE SET"
        " requests = staff_modelusage.requests + 1,"
        " prompt_tokens = staff_modelusage.prompt_tokens + excluded.prompt_tokens,"
        " cached_tokens = staff_modelusage.cached_tokens + excluded.cached_tokens,"
        " completion_tokens = staff_modelusage.completion_tokens + excluded.completion_tokens",
        [model[:200], prompt, cached, completion, token_id],
    )
