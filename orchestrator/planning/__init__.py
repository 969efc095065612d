"""Planning: candidate plans for a goal, and which of them to recommend.

`propose` finds candidates, `wire` turns chosen skills into a DAG, `rank` puts the best first.
"""

from orchestrator.planning.candidates import propose
from orchestrator.planning.ranking import Ranked, rank
from orchestrator.planning.wiring import Choice, Colleague, wire

__all__ = ["Choice", "Colleague", "Ranked", "propose", "rank", "wire"]
