"""The dashboard for Grafana asks for what the server exposes, and can be imported."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sshecho.service.measures import Measures
from sshecho.web.exposition import COUNTERS, TIMES, Exposition
from sshecho.web.overview import Connection, Report

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = json.loads((ROOT / "scripts/deploy/grafana/sshecho.json").read_text())
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
SCRAPED = {"job", "instance", "le"}
"""Labels that Prometheus adds, and the one of every histogram's buckets."""


def exposed() -> dict[str, set[str]]:
    """Return the labels of each sample that the server can expose."""
    measures = Measures()
    for name, (_, labels, _) in COUNTERS.items():
        measures.count(name, labels)
    for name in TIMES:
        measures.observe(name, ("ssh",), 1)
    report = Report(measures, [Connection("1", "ssh", "x", "u", 0, 0, 0)])
    families = text_string_to_metric_families(Exposition().write(report).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def metrics(query: str) -> set[str]:
    return set(re.findall(r"\bsshecho_\w+", query))


@pytest.mark.parametrize("query", QUERIES)
def test_queries(query):
    """Each query names metrics that are exposed, by labels that these have."""
    names = metrics(query)
    assert names <= exposed().keys()
    [labels] = [exposed()[name] for name in names]
    grouped = re.findall(r"\bby \(([^)]*)\)", query)
    asked = {label.strip() for labels in grouped for label in labels.split(",")}
    asked |= set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query))
    assert asked <= labels | SCRAPED
    assert query.count("(") == query.count(")")


def test_legends():
    """A legend names only labels that its query leaves."""
    for panel in PANELS:
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            [kept, *_] = re.findall(r"\bby \(([^)]*)\)", target["expr"]) or [""]
            assert shown <= {label.strip() for label in kept.split(",")}, target


def test_everything_is_shown():
    """Nothing is counted that no panel shows."""
    shown = {name for query in QUERIES for name in metrics(query)}
    families = {re.sub(r"_(count|sum|bucket)$", "", name) for name in exposed()}
    assert families == {name.removesuffix("_bucket") for name in shown}


def test_it_can_be_imported():
    """What Grafana's import needs is there: a data source to choose, panels with a place each."""
    [source] = DASHBOARD["__inputs"]
    assert (source["type"], source["pluginId"]) == ("datasource", "prometheus")
    assert {"grafana", "prometheus"} <= {part["id"] for part in DASHBOARD["__requires"]}
    assert {panel["type"] for panel in PANELS} <= {part["id"] for part in DASHBOARD["__requires"]}
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == DASHBOARD["title"] == "sshecho"
    assert DASHBOARD["schemaVersion"] >= 36
    assert {"time", "templating", "version", "refresh"} <= DASHBOARD.keys()
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    chosen = {"type": "prometheus", "uid": f"${{{source['name']}}}"}
    variables = DASHBOARD["templating"]["list"]
    for part in [*PANELS, *(t for panel in PANELS for t in panel["targets"]), *variables]:
        assert part["datasource"] == chosen
    used = set(re.findall(r"\$(\w+)", " ".join(QUERIES))) - {"__rate_interval"}
    assert used == {variable["name"] for variable in variables}
    for panel in PANELS:
        assert [target["refId"] for target in panel["targets"]] == list("ABCDE")[
            : len(panel["targets"])
        ]


def test_no_panel_covers_another():
    """Each place on the 24 columns is one panel's at most."""
    taken = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {
            (at["x"] + column, at["y"] + row) for column in range(at["w"]) for row in range(at["h"])
        }
        assert not cells & taken
        assert max(column for column, _ in cells) < 24
        taken |= cells
