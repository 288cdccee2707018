"""The topology as a graph."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from twofold import TopologyNode

from ._format import condition
from ._layout import around, layout
from ._render import console_of, page


async def topology(request: Request) -> Response:
    """Draw what flows from commands to queries; `?kind=&name=` shows only what is connected with one node."""
    console = console_of(request)
    whole = console.application.operations.topology()
    kind, name = request.query_params.get("kind", ""), request.query_params.get("name", "")
    node = next((each for each in whole.nodes if (each.kind, each.name) == (kind, name)), None)
    if node is None and (kind or name):
        raise LookupError(f"the topology has no {kind or 'part'} {name!r}.")
    sample = await console.samples.latest()
    conditions = {each.name: condition(each, sample.health) for each in sample.health.subscriptions}
    shown = whole if node is None else around(whole, node)
    targets: dict[TopologyNode, list[TopologyNode]] = {each: [] for each in shown.nodes}
    for edge in shown.edges:
        targets[edge.source].append(edge.target)
    return await page(
        request, "topology.html", current="topology", graph=layout(shown), node=node, conditions=conditions,
        targets=targets,
    )  # fmt: skip
