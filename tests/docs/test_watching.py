"""What `docs/serving.md` says of metrics and of lines of the log is so: its tables are held against the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from models.errors import ImageFault
from models.events import ModelEvent
from models.reference import ModelReference
from serving.asking import Answer, Code, Refused, Spent
from serving.metrics import LINES, Metrics, Standing
from serving.statuses import State
from serving.telemetry.call import Call
from serving.telemetry.request_log import record
from tests.docs.tables import first_words, table
from tests.serving.telemetry.calls import answered, refused

_DOCS = Path(__file__).parents[2] / "docs"
_PAGE = (_DOCS / "serving.md").read_text()
_MODEL = ModelReference("/m/m.onnx", "ab" * 32)


@pytest.fixture(scope="module")
def families() -> list[Metric]:
    """Of a server to which everything has happened."""
    metrics = Metrics(lambda: Standing(True, _MODEL.model_id, 1, 0, 1, 0, 1, 0, tried=_MODEL.model_id))
    metrics.answered(Answer(_MODEL, {}, Spent(0, 0, 0, 1, 0)), 1, "tensorflow", 0.1)
    metrics.batched(_MODEL.model_id, 1)
    metrics.refused(Refused(Code.INVALID_ARGUMENT, "", ImageFault.TRUNCATED), "tensorflow")
    metrics.abandoned("tensorflow")
    metrics.lost(LINES, 1)
    metrics.take_in([ModelEvent("live", _MODEL.model_id, "m"), ModelEvent("rejected", "m", "m", "crashed: it ended")])
    return list(text_string_to_metric_families(metrics.text().decode()))


def told(families: list[Metric]) -> Iterator[tuple[str, set[str]]]:
    """Each metric of ours, as whoever asks for it calls it, and its labels."""
    for family in families:
        if family.name.startswith("hotswap_"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            yield family.name + ("_total" if family.type == "counter" else ""), labels


def test_each_metric_is_explained_once_with_its_labels(families: list[Metric]) -> None:
    explained = [(name, set(re.findall(r"`(\w+)`", labels))) for name, labels in zip(
        first_words(_PAGE, "metric"), (row[1] for row in table(_PAGE, "metric")), strict=True
    )]  # fmt: skip
    assert sorted(explained) == sorted(told(families))


def test_metrics_have_names_as_prometheus_wants_them(families: list[Metric]) -> None:
    for family in families:
        assert re.fullmatch(r"(hotswap|process)_[a-z_]+", family.name), family.name
        assert family.documentation.endswith("."), family.name


def test_alerts_ask_for_what_there_is(families: list[Metric]) -> None:
    names = {sample.name for family in families for sample in family.samples}
    [text] = re.findall(r"```yaml\n(.*?)```", _PAGE.partition("### Metrics")[2], re.S)
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert {"alert", "expr", "annotations"} <= set.intersection(*map(set, rules))
    assert {name for rule in rules for name in re.findall(r"hotswap_\w+", rule["expr"])} <= names
    codes = {code for rule in rules for code in re.findall(r'code="(\w+)"', rule["expr"])}
    assert codes <= {code.name for code in Code}


def test_each_code_of_a_refusal_is_named() -> None:
    [row] = [row for row in table(_PAGE, "metric") if row[0] == "`hotswap_refused_total`"]
    assert re.findall(r"`([A-Z_]+)`", row[2]) == [code.name for code in Code]


def test_each_field_of_a_line_is_explained_once_in_its_order() -> None:
    whole = answered(**{"x-request-id": "r"})
    whole.trace_id = "0af7"
    failed: Call = refused()
    fields = dict.fromkeys([*record(whole), *record(failed)])
    explained = first_words(_PAGE, "field")
    assert set(explained) == set(fields) - {"waiting", "computing"}
    for line in (record(whole), record(failed)):
        places = [explained.index(name) for name in line if name in explained]
        assert places == sorted(places)


def test_each_state_is_explained_once() -> None:
    assert first_words(_PAGE, "state") == [state.name for state in State]


def test_links_lead_somewhere() -> None:
    for page, place in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", _PAGE):
        heads = re.findall(r"^#+ (.*)$", (_DOCS / page).read_text(), re.M)
        assert place in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, (page, place)
