"""What the scripted model says in a soak, without delay. FORESTAFF_SCRIPT names one of these.

Imported by the workers, so it imports nothing heavy.
"""

from __future__ import annotations

from orchestrator.inference.base import ChatRequest

COPY = """```python
rows = [{"step": instruction}]
for name in inputs:
    rows = rows + read_table(name)
write_csv(output, rows)
finish(f"{len(rows)} rows in {output}.")
```"""


def copy(request: ChatRequest) -> str:
    """A program that writes its own instruction below a header, and beneath it the rows of its
    inputs: two effects, one of them a file whose content follows from the plan alone."""
    return COPY
