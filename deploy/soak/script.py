"""What a model of no latency says: FORESTAFF_SCRIPT=deploy.soak.script:answer in the workers."""

from __future__ import annotations

import json

from orchestrator.inference.base import ChatRequest

SCRIPT = "deploy.soak.script:answer"
SKILL = "answer-question"
PLAN = json.dumps({"steps": [{"skill": SKILL, "do": "say in one line what was asked"}]})
PROGRAM = """```python
write_markdown(output, instruction)
finish("written")
```"""


def answer(request: ChatRequest) -> str:
    """A plan where a plan is asked for, which comes with a grammar; else a program that writes one
    small file."""
    return PLAN if request.grammar else PROGRAM
