"""The Kubernetes manifests: their structure, and that names, labels, ports and times agree with each other."""

import re

import pytest
import yaml

from proxy.settings.loading import load

from .prometheus import ROOT
from .shapes import Each, faults, one_of
from .test_compose import COMMAND, ENV

FOLDER = ROOT / "deploy" / "kubernetes"
LABELS = {"app.kubernetes.io/name": "switchyard"}
META = {"name": "switchyard", "labels": LABELS}
PORT = one_of("http", "admin")
PROBE = {
    "httpGet": {"path": one_of("/livez", "/readyz"), "port": "http"},
    "periodSeconds": int,
    "timeoutSeconds?": int,
    "failureThreshold": int,
}
SELECTOR = {"matchLabels": LABELS}
AMOUNT = Each(lambda text: isinstance(text, str) and re.fullmatch(r"\d+(m|Mi|Gi)?", text))
CONTAINER = {
    "name": "switchyard",
    "image": str,
    "imagePullPolicy": one_of("IfNotPresent", "Always"),
    "args": COMMAND,
    "workingDir": str,
    "envFrom": [{"secretRef": {"name": str}}],
    "ports": [{"name": PORT, "containerPort": int}],
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "lifecycle": {"preStop": {"exec": {"command": [str]}}},
    "resources": {"requests": AMOUNT, "limits": AMOUNT},
    "securityContext": {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly?": bool}],
}
POD = {
    "automountServiceAccountToken": False,
    "terminationGracePeriodSeconds": int,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": int,
        "runAsGroup": int,
        "fsGroup": int,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": int,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": one_of("ScheduleAnyway", "DoNotSchedule"),
            "labelSelector": SELECTOR,
        }
    ],
    "containers": [CONTAINER],
    "volumes": [{"name": str, "configMap?": {"name": "switchyard"}, "emptyDir?": {"sizeLimit": str}}],
}
SHAPES = {
    "ConfigMap": {"apiVersion": "v1", "kind": str, "metadata": META, "data": Each(str)},
    "Deployment": {
        "apiVersion": "apps/v1",
        "kind": str,
        "metadata": META,
        "spec": {
            "selector": SELECTOR,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": int}},
            "template": {"metadata": {"labels": LABELS, "annotations": Each(str)}, "spec": POD},
        },
    },
    "Service": {
        "apiVersion": "v1",
        "kind": str,
        "metadata": META,
        "spec": {"selector": LABELS, "ports": [{"name": str, "port": int, "targetPort": PORT}]},
    },
    "PodDisruptionBudget": {
        "apiVersion": "policy/v1",
        "kind": str,
        "metadata": META,
        "spec": {"maxUnavailable": int, "selector": SELECTOR},
    },
    "HorizontalPodAutoscaler": {
        "apiVersion": "autoscaling/v2",
        "kind": str,
        "metadata": META,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "switchyard"},
            "minReplicas": int,
            "maxReplicas": int,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": int}},
                }
            ],
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": int,
                    "policies": [{"type": one_of("Pods", "Percent"), "value": int, "periodSeconds": int}],
                }
            },
        },
    },
    "NetworkPolicy": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": str,
        "metadata": META,
        "spec": {
            "podSelector": SELECTOR,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": PORT}], "from?": [{"namespaceSelector": {"matchLabels": Each(str)}}]}
            ],
        },
    },
}


def manifests() -> dict[str, dict]:
    """Every object that `kubectl apply -k` would send, by kind."""
    names = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    found = [document for name in names for document in yaml.safe_load_all((FOLDER / name).read_text())]
    assert len({document["kind"] for document in found}) == len(found)
    return {document["kind"]: document for document in found}


def pod() -> dict:
    return manifests()["Deployment"]["spec"]["template"]["spec"]


def settings():
    return load(text=manifests()["ConfigMap"]["data"]["switchyard.yaml"], env=ENV)


@pytest.mark.parametrize("kind", SHAPES)
def test_every_manifest_has_the_shape_its_kind_wants(kind):
    """No unknown or missing key, and every selector is the pods' label."""
    assert list(faults(manifests()[kind], SHAPES[kind])) == []
    assert manifests().keys() == SHAPES.keys()


def test_a_misspelled_key_is_found():
    """The checker itself: a typo, a missing key and a wrong type are each told."""
    broken = yaml.safe_load((FOLDER / "service.yaml").read_text())
    broken["spec"]["selektor"] = broken["spec"].pop("selector")
    broken["spec"]["ports"][0]["port"] = "80"
    found = list(faults(broken, SHAPES["Service"]))
    assert found == [
        ".spec.selektor: unknown key",
        ".spec.selector: missing",
        ".spec.ports[0].port: '80' is not int",
    ]


def test_ports_and_probes_are_those_of_the_configuration():
    """Named ports carry the numbers of server.port and server.admin_port; the scrape annotation is the admin port."""
    ports = {port["name"]: port["containerPort"] for port in pod()["containers"][0]["ports"]}
    assert ports == {"http": settings().server.port, "admin": settings().server.admin_port}
    annotations = manifests()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert (
        annotations["prometheus.io/port"] == str(ports["admin"])
        and annotations["prometheus.io/path"] == "/metrics"
    )
    container = pod()["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert (
        container["livenessProbe"]["httpGet"]["path"]
        == container["startupProbe"]["httpGet"]["path"]
        == "/livez"
    )


def test_a_pod_drains_within_its_grace_period():
    """preStop, drain_seconds and the five seconds for workers that are left fit."""
    wait = pod()["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert wait[0] == "sleep"
    assert int(wait[1]) + settings().server.drain_seconds + 5 < pod()["terminationGracePeriodSeconds"]


def test_every_mount_has_a_volume_and_what_is_written_can_be():
    """Mounts and volumes match one to one; /tmp and the working directory are writable, the rest is read-only."""
    container = pod()["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod()["volumes"]}
    written = {mounts[volume["name"]] for volume in pod()["volumes"] if "emptyDir" in volume}
    assert written == {"/tmp", container["workingDir"]}
    assert container["args"][2].startswith(mounts["config"] + "/")


def test_the_pods_configuration_is_the_one_compose_runs():
    """One text in two places, kept equal; and every variable it takes from outside is said to come from the Secret."""
    text = (ROOT / "deploy" / "switchyard.yaml").read_text()
    assert manifests()["ConfigMap"]["data"]["switchyard.yaml"].strip() == text.strip()
    comment = (FOLDER / "deployment.yaml").read_text().splitlines()[0]
    for variable in re.findall(r"\$\{(\w+)\}", text):
        assert variable in comment


def test_one_pod_may_go_and_one_always_stays():
    """Two replicas at least, one disrupted at a time, nothing taken away before its successor is ready."""
    scaler, budget = (
        manifests()["HorizontalPodAutoscaler"]["spec"],
        manifests()["PodDisruptionBudget"]["spec"],
    )
    assert scaler["minReplicas"] > budget["maxUnavailable"] >= 1
    assert scaler["maxReplicas"] > scaler["minReplicas"]
    assert "cpu" in pod()["containers"][0]["resources"]["requests"]


def test_the_scrape_configuration_finds_the_admin_port_of_these_pods():
    """Label, annotation and port name that the relabelling keeps are those of the deployment."""
    (job,) = yaml.safe_load((FOLDER / "prometheus-scrape.yaml").read_text())["scrape_configs"]
    assert job["job_name"] == "switchyard"
    kept = {
        rule["source_labels"][0]: rule["regex"]
        for rule in job["relabel_configs"]
        if rule.get("action") == "keep"
    }
    assert kept == {
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": "switchyard",
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_container_port_name": "admin",
    }
    assert job["authorization"]["type"] == "Bearer" and settings().auth.metrics == "bearer"
