"""What work may still use: caps on tokens, seconds and steps, and how deep it may be handed on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DEPTH_CAP = 3  # hops of delegation where the boss sets no cap
NO_CAP = None


class BudgetSpent(Exception):
    """A cap is reached; nothing was started. The message says which, and how to go on."""

    def __init__(self, resource: str, cap: int):
        super().__init__(f"The budget of {cap} {resource} is spent. Raise it to go on.")
        self.resource = resource
        self.cap = cap


class Busy(Exception):
    """There is room, but calls that are under way have reserved it: wait until they are done."""


@dataclass(frozen=True)
class Account:
    """One budget: its caps (None is none), what is used, what is reserved by open calls."""

    token_cap: int | None
    tokens_used: int
    tokens_reserved: int
    second_cap: int | None
    seconds_used: float
    seconds_reserved: float
    step_cap: int | None
    steps_used: int


@dataclass(frozen=True)
class Room:
    """What one model call may use; None is as much as it likes."""

    tokens: int | None
    seconds: float | None


def room(accounts: Iterable[Account], least_tokens: int, *, takes_step: bool = True) -> Room:
    """What is left for one more call on all of these accounts.

    least_tokens: what the call costs before it has said anything (its prompt), and one token more
    Raises BudgetSpent, or Busy where only reservations are in the way.
    """
    tokens: int | None = None
    seconds: float | None = None
    for account in accounts:
        if takes_step:
            check_step(account)
        if account.token_cap is not None:
            left = account.token_cap - account.tokens_used
            tokens = _least(tokens, _free(left, account.tokens_reserved, least_tokens, account))
        if account.second_cap is not None:
            left_s = account.second_cap - account.seconds_used
            if left_s <= 0:
                raise BudgetSpent("seconds", account.second_cap)
            if left_s - account.seconds_reserved <= 0:
                raise Busy
            free_s = left_s - account.seconds_reserved
            seconds = free_s if seconds is None else min(seconds, free_s)
    return Room(tokens, seconds)


def check_step(account: Account) -> None:
    """Raises BudgetSpent unless there is one more step."""
    if account.step_cap is not None and account.steps_used >= account.step_cap:
        raise BudgetSpent("steps", account.step_cap)


def _free(left: int, reserved: int, least: int, account: Account) -> int:
    if left < least:
        raise BudgetSpent("tokens", account.token_cap or 0)
    if left - reserved < least:
        raise Busy
    return left - reserved


def _least(first: int | None, second: int) -> int:
    return second if first is None else min(first, second)
