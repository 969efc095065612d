import ast
from datetime import date

import pytest

from orchestrator.agent.skills import SkillBroken, load_skills, read_skill
from orchestrator.agent.syntax import BUILTINS, parse
from orchestrator.tools import registry
from orchestrator.tools.base import ToolContext
from tests.orchestrator.agent.scripted import Answers, MemoryFiles

SKILLS = load_skills()
WORKING = [skill for skill in SKILLS.values() if not skill.is_playbook]
PLAYBOOKS = [skill for skill in SKILLS.values() if skill.is_playbook]


def named(skill):
    return skill.name


@pytest.mark.parametrize("skill", WORKING, ids=named)
def test_the_example_of_each_skill_is_a_program_over_its_own_tools(skill):
    context = ToolContext(MemoryFiles({}), Answers(""), "", date(2026, 11, 24))
    tools = {name: registry.all_tools()[name] for name in skill.tools}

    tree = parse(skill.program, registry.bind(tools, context), 4000)

    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called - set(BUILTINS) <= set(skill.tools)
    writers = {name for name, tool in tools.items() if tool.effect != "reads"}
    assert called & writers, "a program must leave something behind"


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=named)
def test_each_playbook_ends_in_a_review_of_a_report(playbook):
    makes = [SKILLS[step.skill].makes for step in playbook.steps]
    assert makes[-1] == "verdict"
    assert "report" in makes


def test_the_steps_of_playbooks_use_only_wordings_that_are_spelled_as_in_the_skills():
    steps = [step for playbook in PLAYBOOKS for step in playbook.steps]
    known = {w for skill in WORKING for w in skill.wordings}
    asked = {s.instruction for s in steps if SKILLS[s.skill].knows(s.instruction)}
    assert asked == known, "a wording that no playbook uses is a spelling mistake"


def test_triggers_are_whole_words_plurals_or_stems():
    duplicates, report = SKILLS["find-duplicates"], SKILLS["write-report"]
    assert duplicates.hits("Flag DUPLICATES handed in twice") == 2
    assert report.hits("two reports, a homepage") == 1
    assert SKILLS["answer-question"].hits("Is it late?") == 1


def broken(tmp_path, text, folder="mine"):
    path = tmp_path / folder / "SKILL.md"
    path.parent.mkdir()
    path.write_text(text)
    return path


FRONT = "name: mine\ndescription: d\ntriggers: [a]\n"
PROGRAM = "```python\nfinish('x')\n```\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no front matter", "front matter"),
        ("---\n- a list\n---\n", "must hold fields"),
        ("---\nname: [\n---\n", "mine"),
        (f"---\n{FRONT}colour: red\n---\n", "colour"),
        (f"---\n{FRONT}takes: cake\n---\n{PROGRAM}", "takes: 'cake'"),
        (f"---\n{FRONT}makes: cake\n---\n{PROGRAM}", "makes: 'cake'"),
        (f"---\n{FRONT}tools: [finish]\n---\n{PROGRAM}", "output: needed"),
        (f"---\n{FRONT}output: a.md\ntools: [finish]\n---\nno program", "example program"),
        (f"---\n{FRONT}output: a.md\n---\n{PROGRAM}", "tools: name 1"),
        (f"---\n{FRONT.replace('mine', 'other')}---\n{PROGRAM}", "name of its folder"),
    ],
)
def test_a_skill_that_cannot_be_used_says_what_is_wrong(tmp_path, text, reason):
    with pytest.raises(SkillBroken, match=reason):
        read_skill(broken(tmp_path, text))


def test_a_playbook_over_a_skill_that_is_not_there_is_refused(tmp_path):
    broken(tmp_path, f"---\n{FRONT}steps: [{{skill: fly, title: Fly}}]\n---\n")
    with pytest.raises(SkillBroken, match="no skill 'fly'"):
        load_skills(tmp_path)


def test_the_body_is_advice_and_program(tmp_path):
    text = f"---\n{FRONT}output: a.md\ntools: [finish]\n---\nMind\nthe gap.\n\n{PROGRAM}"
    skill = read_skill(broken(tmp_path, text))
    assert (skill.advice, skill.program) == ("Mind the gap.", "finish('x')")
