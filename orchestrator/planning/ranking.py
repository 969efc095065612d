"""Which candidate to recommend: a plain prior with a narrow seam.

Candidates in, ranked candidates with a score and a reason out, so that a forecast by the world
model can take its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.agent.skills import Skill
from staff.domain.plans import Plan

STEP_COST = 0.04  # what one more step must be worth in coverage
UNASKED_COST = 0.1  # a step that leaves the boss a file that was not asked for
REVIEW_WORTH = 0.1
PLAYBOOK_WORTH = 0.1  # a decomposition that was written by someone who knew


@dataclass(frozen=True)
class Ranked:
    """why: the reason for its place, in plain words for the boss."""

    plan: Plan
    score: float
    why: str


def rank(plans: Sequence[Plan], goal_text: str, skills: Mapping[str, Skill]) -> list[Ranked]:
    """The candidates, best first, each with its score and a reason.

    Score: the share of the asked skills that the plan holds, less a little for each step and more
    for each table or page that nobody asked for, plus a little where the result is reviewed and
    where a playbook was followed.
    """
    asked = asked_for(goal_text, skills)
    ranked = [_score(plan, asked, skills) for plan in plans]
    return sorted(ranked, key=lambda one: one.score, reverse=True)


def asked_for(goal_text: str, skills: Mapping[str, Skill]) -> list[str]:
    """Names of the skills that the goal's words ask for, the most asked first.

    "Summary" may mean a page about results or a digest of documents: one of them is meant, the
    page where tables are asked for too. What answers any question counts if nothing else does.
    """
    hits = {skill.name: skill.hits(goal_text) for skill in skills.values() if not skill.is_playbook}
    asked = [skills[name] for name in sorted(hits, key=lambda name: -hits[name]) if hits[name]]
    tables = any(skill.makes in ("records", "table") for skill in asked)
    takes = {skill.takes for skill in asked if skill.makes == "report"}
    if {"documents", "results"} <= takes:
        other = "documents" if tables else "results"
        asked = [skill for skill in asked if skill.makes != "report" or skill.takes != other]
    definite = [skill.name for skill in asked if skill.takes != "anything"]
    return definite or [skill.name for skill in asked]


def _score(plan: Plan, asked: Sequence[str], skills: Mapping[str, Skill]) -> Ranked:
    held = {step.skill for step in plan.steps}
    covered = len(held.intersection(asked))
    unasked = sum(
        step.skill not in asked and skills[step.skill].makes in ("table", "report")
        for step in plan.steps
    )
    reviewed = any(step.reviews for step in plan.steps)
    playbook = plan.source.startswith("playbook:")
    score = covered / len(asked) if asked else 0.5
    score -= STEP_COST * len(plan.steps) + (UNASKED_COST * unasked if asked else 0)
    score += REVIEW_WORTH * reviewed + PLAYBOOK_WORTH * playbook
    reasons = [f"does {covered} of the {len(asked)} things asked for"] if asked else []
    reasons += ["follows a playbook"] if playbook else []
    reasons += ["is reviewed before you see it"] if reviewed else ["nobody checks the result"]
    count = f"{len(plan.steps)} step{'s' * (len(plan.steps) != 1)}"
    return Ranked(plan, round(score, 3), f"{count}; {', '.join(reasons)}")
