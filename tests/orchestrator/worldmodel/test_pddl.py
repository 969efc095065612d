"""The PDDL reader: what it reads, and how it refuses what it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.worldmodel.worlds import blocksworld as blocks
from orchestrator.worldmodel.worlds import pddl
from orchestrator.worldmodel.worlds.pddl import PddlError

PROBLEM = """
; three blocks, as PlanBench writes them
(define (problem BW-rand-3)
  (:domain blocksworld-4ops)
  (:objects a b c)
  (:init (handempty) (ontable a) (on b a) (clear b) (ontable c) (clear c))
  (:goal (and (on a b) (on b c))))
"""


def test_a_problem_is_read_and_solved_by_the_classical_search():
    problem = pddl.parse_problem(PROBLEM, blocks.KNOWN)
    assert problem.objects == ("a", "b", "c")
    assert problem.goal == {("on", "a", "b"), ("on", "b", "c")}
    assert blocks.shortest(problem) == 4


def test_types_and_capitals_are_read_over():
    typed = PROBLEM.replace("(:objects a b c)", "(:objects A b - block c - object)")
    assert pddl.parse_problem(typed, blocks.KNOWN).objects == ("a", "b", "c")


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("(on a b)", "(above a b)", "no predicate is called above"),
        ("(on a b)", "(on a)", "on takes 2"),
        ("(on a b)", "(on a d)", "nothing is called d"),
        ("(:objects a b c)", "(:objects a b a)", "named twice"),
        ("(:goal (and (on a b) (on b c)))", "", r"has no \(:goal"),
        ("(on b c))))", "(on b c)))", "1 ( not closed".replace("(", r"\(")),
        ("(on b c))))", "(on b c)))))", r"line 7: a \) too many"),
        ("(define", "(defined", r"expected \(define"),
        ("(problem", "(domain", "expected a problem"),
        ("(and (on a b) (on b c))", "(and)", "the goal says nothing"),
    ],
)
def test_a_bad_problem_is_refused_with_what_is_wrong(change, to, says):
    with pytest.raises(PddlError, match=says):
        pddl.parse_problem(PROBLEM.replace(change, to), blocks.KNOWN, "p.pddl")


def test_a_bad_domain_is_refused():
    with pytest.raises(PddlError, match=":adl is not supported"):
        pddl.parse_domain(blocks.STANDARD.replace(":strips", ":adl"))
    with pytest.raises(PddlError, match="pick-up lacks :effect"):
        pddl.parse_domain(blocks.STANDARD.replace(":effect", ":affect", 1))


@given(st.text(alphabet="() ;-?:abdefinostu\n", max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        pddl.parse_domain(text)
    except PddlError as reason:
        assert str(reason).startswith("domain")


@given(st.integers(0, 10_000))
def test_a_disguise_is_seen_through_and_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    [problem] = blocks.problems(1, (3, 4), rng)
    domain_text, problem_text = blocks.disguised(problem, rng)
    assert "on" not in domain_text.replace("(:action", "").replace("precondition", "").split()
    domain = pddl.parse_domain(domain_text)
    hidden = blocks.understood(pddl.parse_problem(problem_text, domain), domain)
    names = dict(zip(hidden.objects, problem.objects, strict=True))

    def said(atoms):
        return {(name, *(names[arg] for arg in args)) for name, *args in atoms}

    assert said(hidden.start) == problem.start
    assert said(hidden.goal) == problem.goal


def test_another_domain_is_no_blocksworld():
    other = pddl.parse_domain(blocks.STANDARD.replace("(not (holding ?ob))", "(holding ?ob)", 1))
    problem = pddl.parse_problem(PROBLEM, other)
    with pytest.raises(PddlError, match="not the four-operator blocksworld"):
        blocks.understood(problem, other)


def test_a_folder_of_problems(tmp_path):
    (tmp_path / "domain.pddl").write_text(blocks.STANDARD)
    with pytest.raises(PddlError, match="no problem files"):
        blocks.read_problems(tmp_path)
    (tmp_path / "instance-1.pddl").write_text(PROBLEM)
    assert [p.name for p in blocks.read_problems(tmp_path)] == ["bw-rand-3"]
    with pytest.raises(PddlError, match=r"expected one file named \*domain"):
        blocks.read_problems(tmp_path / "nothing")
