"""/metrics for Prometheus: what the engines of all nodes do, as their last heartbeats said.

For those who look after the machines: Prometheus shows an API token of theirs (`authorization:
credentials`). A node that is late or gone is marked so; its counters start again with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from orchestrator.inference.stats import FIRST_TOKEN_BOUNDS_S
from staff import queries
from staff.actions import people
from staff.models import Node
from web.nodes.lookups import all_nodes

LABELS = ("node", "model")
GAUGES = {
    "queued": "Requests that wait",
    "running": "Requests that are being answered",
}
COUNTERS = {
    "requests": "Requests that ended",
    "failures": "Requests that ended with an error",
    "prompt_tokens": "Tokens of prompts",
    "cached_tokens": "Tokens of prompts that were in the cache",
    "completion_tokens": "Tokens of answers",
    "prefill_tokens": "Tokens of prompts that were computed",
    "prefill_s": "Seconds spent on prompts",
    "decode_s": "Seconds spent on answers",
    "steps": "Steps that computed answers",
    "rows": "Answers computed in these steps",
}


def metrics(request: HttpRequest) -> HttpResponse:
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    token = people.find_token(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        answer = HttpResponse("show an API token", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    seat = queries.memberships_of(token.user).filter(workspace=token.workspace_id).first()
    if seat is None or not seat.may_manage:
        said = "only owners and admins may look after the machines"
        return HttpResponse(said, status=403, content_type="text/plain")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Engines(all_nodes()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Engines:
    """Collects from the nodes' rows."""

    def __init__(self, nodes: Iterable[Node]):
        self._nodes = list(nodes)
        self._engines = [
            ((node.name, state["name"]), state["stats"])
            for node in self._nodes
            for state in node.model_states
            if state["state"] == "loaded"
        ]

    def collect(self) -> Iterator[Metric]:
        alive = GaugeMetricFamily("forestaff_node_alive", "1 while it is seen", labels=["node"])
        loaded = GaugeMetricFamily(
            "forestaff_model_loaded", "1 while it is in memory", labels=LABELS
        )
        for node in self._nodes:
            alive.add_metric([node.name], float(not node.is_late))
            for state in node.model_states:
                loaded.add_metric([node.name, state["name"]], float(state["state"] == "loaded"))
        yield alive
        yield loaded
        for key, about in GAUGES.items():
            yield self._family(GaugeMetricFamily, key, about)
        for key, about in COUNTERS.items():
            yield self._family(CounterMetricFamily, key, about)
        yield self._derived("prefill_tokens_per_second", "prefill_tokens", "prefill_s")
        yield self._derived("decode_tokens_per_second", "rows", "decode_s")
        yield self._derived("cache_hit_ratio", "cached_tokens", "prompt_tokens")
        yield self._derived("batch_occupancy", "rows", "steps")
        yield self._first_tokens()

    def _family(self, family: Any, key: str, about: str) -> Metric:
        name = f"{key[:-2]}_seconds" if key.endswith("_s") else key
        found = family(f"forestaff_engine_{name}", about, labels=LABELS)
        for labels, stats in self._engines:
            found.add_metric(labels, stats[key])
        return found

    def _derived(self, name: str, part: str, whole: str) -> Metric:
        """A ratio of two counters since the start, for those who look without Prometheus."""
        about = f"{part} / {whole} since the model was loaded"
        found = GaugeMetricFamily(f"forestaff_engine_{name}", about, labels=LABELS)
        for labels, stats in self._engines:
            if stats[whole]:
                found.add_metric(labels, stats[part] / stats[whole])
        return found

    def _first_tokens(self) -> Metric:
        found = HistogramMetricFamily(
            "forestaff_engine_first_token_seconds", "From request to first token", labels=LABELS
        )
        for labels, stats in self._engines:
            total, buckets = 0, []
            bounds = [*map(str, FIRST_TOKEN_BOUNDS_S), "+Inf"]
            for bound, count in zip(bounds, stats["first_token_counts"], strict=True):
                total += count
                buckets.append((bound, total))
            found.add_metric(labels, buckets, stats["first_token_s"])
        return found
