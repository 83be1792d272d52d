"""The example for Kubernetes is what its API takes, what the server takes, and hangs together."""

from __future__ import annotations

import copy
import re
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from launch.code_version import ROOT
from launch.commands import serve
from launch.health import PORT
from serving.metrics import Metrics, Standing

KUBERNETES = ROOT / "launch/kubernetes"
VERSIONS = ("1.30", "1.34", kubernetes_validate.latest_version())
METRIC = "hotswap_queue_images"
OBJECTS: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((KUBERNETES / "serving.yaml").read_text(encoding="utf-8"))
}
POD = OBJECTS["Deployment"]["spec"]["template"]
[SERVER] = POD["spec"]["containers"]
DOCKERFILE = (ROOT / "launch/container/serving.Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_each_object_is_one_of_kubernetes(kind: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)


def test_a_field_that_is_misspelt_would_be_found() -> None:
    misspelt = copy.deepcopy(OBJECTS["Deployment"])
    [container] = misspelt["spec"]["template"]["spec"]["containers"]
    container["securityContext"]["readOnlyRootFileSystem"] = True

    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


def test_the_server_understands_what_it_is_told() -> None:
    [entry_point] = re.findall(r"^ENTRYPOINT (\[.+\])$", DOCKERFILE, re.M)
    hotswap, verb, *before = yaml.safe_load(entry_point)
    told = typer.main.get_command(serve.app).make_context(verb, [*before, *SERVER["args"]]).params

    assert (hotswap, verb) == ("hotswap", "serve")
    assert (told["host"], told["insecure"]) == ("0.0.0.0", False)
    ports = {each["name"]: each["containerPort"] for each in SERVER["ports"]}
    assert ports == {"grpc": told["grpc_port"], "http": told["http_port"]}
    assert told["http_port"] == PORT
    assert POD["spec"]["terminationGracePeriodSeconds"] > told["drain_seconds"] + told["request_seconds"]


def test_what_it_is_told_to_read_is_mounted() -> None:
    mounts = {each["mountPath"]: each["name"] for each in SERVER["volumeMounts"]}
    volumes = {each["name"]: each for each in POD["spec"]["volumes"]}
    files = [each.partition("=")[2] for each in SERVER["args"] if each.partition("=")[2].startswith("/")]

    assert len(files) == 3
    for file in files:
        assert "secret" in volumes[mounts[file.rpartition("/")[0]]]
    assert "emptyDir" in volumes[mounts["/tmp"]]


def test_a_pod_is_the_user_of_the_image_and_may_do_nothing_else() -> None:
    [user] = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.M)
    whole, own = POD["spec"]["securityContext"], SERVER["securityContext"]

    assert whole["runAsUser"] == whole["fsGroup"] == int(user) > 0
    assert whole["runAsNonRoot"] is own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is POD["spec"]["automountServiceAccountToken"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_a_pod_is_asked_how_it_is_by_three_probes() -> None:
    paths = {name: SERVER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}

    assert paths == {"startup": "/v2/health/live", "readiness": "/v2/health/ready", "liveness": "/v2/health/live"}


def test_everything_is_about_the_same_pods() -> None:
    labels = POD["metadata"]["labels"]
    [name] = {OBJECTS[kind]["metadata"]["name"] for kind in OBJECTS}

    assert OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    assert OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == name
    assert POD["spec"]["serviceAccountName"] == name


def test_the_autoscaler_reads_what_the_server_tells_of_its_queue() -> None:
    adapter = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text(encoding="utf-8"))
    [rule] = adapter["rules"]["custom"]
    scraped = yaml.safe_load((KUBERNETES / "prometheus.yaml").read_text(encoding="utf-8"))["extraScrapeConfigs"]
    [job] = yaml.safe_load(scraped)
    [metric] = OBJECTS["HorizontalPodAutoscaler"]["spec"]["metrics"]

    kept = {each["source_labels"][0]: each["regex"] for each in job["relabel_configs"] if each.get("action") == "keep"}
    told = {each["target_label"] for each in job["relabel_configs"] if "target_label" in each}
    assert kept == {
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": POD["metadata"]["labels"]["app.kubernetes.io/name"],
        "__meta_kubernetes_pod_container_port_name": "http",
    }
    assert told == set(rule["resources"]["overrides"])
    assert metric["pods"]["metric"]["name"] == METRIC
    assert rule["seriesQuery"].startswith(f"{METRIC}{{")
    assert f"\n{METRIC} 3.0\n" in Metrics(lambda: Standing(images=3)).text().decode()
