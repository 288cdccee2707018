"""A private Prometheus that evaluates the alert rules."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import yaml

from tests.alerts.dashboard import Panel
from tests.alerts.rules import groups, program
from tests.servers.process import PrivateServer, account, free_port, new_folder

DOCS = "https://docs.example.org/"
"""The address of the docs, as the external label of the lab says."""

INTERVAL = "200ms"
"""How often the lab scrapes and evaluates."""


def started(targets: Sequence[int]) -> PrivateServer:
    """Start a Prometheus that scrapes these ports and evaluates the rules, with `for` shortened to 1 second.

    The expressions with their thresholds are unchanged. The caller removes the server.
    """
    found = program("prometheus")
    user, port = account("prometheus", "nobody"), free_port()
    folder = new_folder("prometheus", user)
    shortened = [{**group, "rules": [{**rule, "for": "1s"} for rule in group["rules"]]} for group in groups()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": shortened}))
    config = {
        "global": {
            "scrape_interval": INTERVAL,
            "scrape_timeout": INTERVAL,
            "evaluation_interval": INTERVAL,
            "external_labels": {"twofold_docs": DOCS},
        },
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": "lab", "static_configs": [{"targets": [f"127.0.0.1:{target}" for target in targets]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return PrivateServer(
        url=f"http://127.0.0.1:{port}",
        command=[
            found,
            *("--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path", str(folder / "data")),
            *("--web.listen-address", f"127.0.0.1:{port}"),
        ],
        folder=folder,
        user=user,
        answers=_answers,
        gentle=signal.SIGTERM,
    ).started()


def _answers(url: str) -> bool:
    try:
        return bool(_get(f"{url}/api/v1/alerts"))
    except (URLError, OSError):
        return False


def firing(server: PrivateServer) -> Sequence[Mapping[str, Any]]:
    """Return the alerts that fire, each with `labels` and `annotations`."""
    found = _get(f"{server.url}/api/v1/alerts")["data"]["alerts"]
    return [each for each in found if each["state"] == "firing"]


def value(server: PrivateServer, expression: str) -> float | None:
    """Return the value of an expression that has at most one series."""
    found = _get(f"{server.url}/api/v1/query?query={quote(expression)}")["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def missing(server: PrivateServer, panel: Panel, since: float) -> set[str]:
    """Return the labels that no series of a panel has since a moment; "data" if there is no series.

    Raises:
        HTTPError: Prometheus refuses the expression.
    """
    parameters = {"query": panel.expression, "start": since, "end": time.time(), "step": "1s"}
    found = _get(f"{server.url}/api/v1/query_range?{urlencode(parameters)}")["data"]["result"]
    series = [each["metric"] for each in found if any(value != "NaN" for _, value in each["values"])]
    return panel.labels - {label for each in series for label in each} if series else {"data"}


def _get(url: str) -> Any:
    with urlopen(url, timeout=10) as reply:  # noqa: S310 -- our own server on loopback
        return json.load(reply)
