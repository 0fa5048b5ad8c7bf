"""The Kubernetes manifests: every deployment is strictly valid, restricted, and rendered as kustomize would."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_laws import containers, faults
from kubernetes_policies import connects
from kustomize import Document, load, patched, render, render_components
from test_night_starters import is_cron

from sumsquares.jobs.spec.job_spec import load_spec

ROOT = Path(__file__).parent.parent
KUBERAY = ROOT / "cluster" / "kuberay"
CRDS = ROOT.parent / "shared" / "kuberay"
OVERLAYS = sorted(path.parent for path in KUBERAY.glob("overlays/*/kustomization.yaml"))
COMPONENTS = {path.parent.name: path.parent for path in KUBERAY.glob("components/*/kustomization.yaml")}
OLDEST, NEWEST = "1.32", kubernetes_validate.latest_version()
"""Kubernetes versions whose schemas the manifests must meet."""
RAY_KINDS = {"RayCluster": "rayclusters", "RayJob": "rayjobs", "RayCronJob": "raycronjobs"}
JOB = "/spec/rayClusterSpec/workerGroupSpecs/0/template/spec"
PLANTED = {
    "securityContext differs in ['privileged']": ("add", f"{JOB}/containers/0/securityContext/privileged", True),
    "shares the node's namespaces": ("add", f"{JOB}/hostNetwork", True),
    "volume host: ['hostPath', 'name']": ("add", f"{JOB}/volumes/-", {"name": "host", "hostPath": {"path": "/"}}),
    "no limits of CPU and memory": ("remove", f"{JOB}/containers/0/resources/limits/memory", None),
    "image other:1 is none of": ("replace", f"{JOB}/containers/0/image", "other:1"),
    "MY_SECRET has its value here": ("add", f"{JOB}/containers/0/env/-", {"name": "MY_SECRET", "value": "x"}),
    "gets a token of the Kubernetes API": ("replace", f"{JOB}/automountServiceAccountToken", True),
    "publishes a port of the node": ("add", f"{JOB}/containers/0/ports/0/hostPort", 8080),
    "authOptions": ("replace", "/spec/rayClusterSpec/authOptions/secretName", "another"),
    "work runs on the head": ("replace", "/spec/rayClusterSpec/headGroupSpec/rayStartParams/num-cpus", "4"),
    "one of shutdownAfterJobFinishes and": ("add", "/spec/deletionStrategy", {"onSuccess": {"policy": "DeleteSelf"}}),
    "characters": ("replace", "/metadata/name", "s" * 48),
    "published beyond": ("replace", "/spec/rayClusterSpec/headGroupSpec/serviceType", "NodePort"),
    "is smaller than the object store": ("replace", f"{JOB}/volumes/2/emptyDir/sizeLimit", "400Mi"),
    "requests more than its limits": ("replace", f"{JOB}/containers/0/resources/requests/memory", "80Gi"),
    "its shared memory is not at /dev/shm": ("replace", f"{JOB}/containers/0/volumeMounts/2/mountPath", "/shm"),
    "no /tmp or HOME to write to": ("replace", f"{JOB}/containers/0/volumeMounts/0/mountPath", "/else"),
    "has no keys of the bucket": ("remove", f"{JOB}/containers/0/envFrom/1", None),
    "has no store": ("remove", f"{JOB}/containers/0/envFrom/0", None),
    "there is no ConfigMap elsewhere": ("replace", f"{JOB}/containers/0/envFrom/0/configMapRef/name", "elsewhere"),
}


def _names(overlay: Path) -> set[str]:
    """Returns the images that a kustomization sets."""
    (about,) = load(overlay / "kustomization.yaml")
    return {f"{image['newName']}:{image['newTag']}" for image in about["images"]}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_tests_render_an_overlay_as_kustomize_does(overlay):
    """So that these tests check what `kubectl apply -k` sends to a cluster."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    output = subprocess.run([kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=True).stdout
    assert _sorted(render(overlay)) == _sorted(list(yaml.safe_load_all(output)))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_strictly_valid(overlay):
    """Core kinds against the schemas of an old and a new Kubernetes."""
    for document in render(overlay):
        if document["kind"] not in RAY_KINDS:
            for version in (OLDEST, NEWEST):
                _check_core(json.dumps(document, sort_keys=True), version)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_a_ray_object_is_strictly_valid(overlay):
    """Against KubeRay's own definitions; unknown fields are rejected."""
    for document in render(overlay):
        if document["kind"] in RAY_KINDS:
            _ray_validator(document["kind"]).validate(document)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_restricted_and_complete(overlay):
    """Every rule of kubernetes_laws.py holds."""
    assert faults(render(overlay), _names(overlay)) == []


@pytest.mark.parametrize("store", ["pvc", "s3"])
@pytest.mark.parametrize("use", [[], ["job"], ["job", "nightly-ray"]], ids=lambda use: "-".join(use) or "cluster")
@pytest.mark.parametrize("gpu", [[], ["gpu"]], ids=lambda gpu: "".join(gpu) or "cpu")
def test_the_components_can_be_combined(store, use, gpu):
    """Any store with any use, with or without a GPU, is restricted and has a valid Ray object."""
    parts = [COMPONENTS[name] for name in [store, *gpu, *use]]
    documents = render_components(KUBERAY / "cluster", parts)
    data = {"SUMSQUARES_STORE": {"pvc": "/store", "s3": "s3://bucket/prefix"}[store]}
    documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sumsquares-store"}, "data": data})
    assert faults(documents, {"sumsquares", "sumsquares-gpu"}) == []
    (ray,) = [document for document in documents if document["kind"] in RAY_KINDS]
    assert [group["replicas"] for group in _cluster_of(ray)["workerGroupSpecs"]] == [2, len(gpu)]
    _ray_validator(ray["kind"]).validate(ray)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault):
    """Each rule can fail, and its message names the fault."""
    kind, path, value = PLANTED[fault]
    overlay = KUBERAY / "overlays" / "job-s3"
    patch = [{"op": kind, "path": path, "value": value}]
    documents = [patched(each, patch) if each["kind"] == "RayJob" else each for each in render(overlay)]
    assert any(fault in found for found in faults(documents, _names(overlay)))


def test_an_unknown_field_is_rejected_at_any_depth():
    """At the top, deep inside a Ray object's pod, and in a core kind."""
    documents = {document["kind"]: document for document in render(KUBERAY / "overlays" / "job-s3")}
    for path in ("/spec/entrypont", f"{JOB}/containers/0/securityContext/runAsNonroot"):
        with pytest.raises(jsonschema.ValidationError, match="unexpected"):
            _ray_validator("RayJob").validate(patched(documents["RayJob"], [{"op": "add", "path": path, "value": "x"}]))
    policy = patched(documents["NetworkPolicy"], [{"op": "add", "path": "/spec/podselector", "value": {}}])
    with pytest.raises(jsonschema.ValidationError, match="unexpected"):
        _check_core(json.dumps(policy), NEWEST)


def test_every_container_of_ray_has_the_settings_of_a_session():
    """Those of cluster/session.py: the pod, not the job, starts the processes that read them."""
    from sumsquares.cluster.session import ENVIRONMENT

    (cluster,) = load(KUBERAY / "cluster" / "ray-cluster.yaml")
    for place, container, _ in containers(cluster):
        given = {variable["name"]: variable["value"] for variable in container["env"]}
        assert ENVIRONMENT.items() <= given.items(), place


def test_the_manifests_name_the_installed_version_of_ray():
    """KubeRay selects health checks and authentication by it."""
    lock = (ROOT / "requirements.lock").read_text().split()
    (cluster,) = load(KUBERAY / "cluster" / "ray-cluster.yaml")
    assert f"ray=={cluster['spec']['rayVersion']}" in lock


def test_the_spec_beside_the_manifests_is_the_example():
    """A copy, since kustomize reads no file outside its folder."""
    spec = KUBERAY / "base" / "spec.toml"
    assert load_spec(spec).digest == load_spec(ROOT / "examples" / "sweep.toml").digest


def test_a_night_is_never_started_in_parallel_or_long_after_its_time():
    """And not retried on exit codes that a retry cannot fix."""
    (night,) = load(KUBERAY / "nightly" / "cron-job.yaml")
    spec = night["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 100  # Kubernetes checks every 10 s and may miss shorter deadlines
    assert spec["successfulJobsHistoryLimit"] > 0
    assert spec["failedJobsHistoryLimit"] > 0
    assert 0 < spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 86400  # it ends before the next night
    (codes,) = [rule["onExitCodes"] for rule in spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][1:]]
    assert set(codes["values"]).isdisjoint({0, 1, 4, 5, 130, 143})


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_a_schedule_is_a_time_of_day_in_utc(overlay):
    """In cron's syntax; the RayCronJob is suspended until a person resumes it."""
    for spec in [document["spec"] for document in render(overlay) if document["kind"] in ("CronJob", "RayCronJob")]:
        assert is_cron(spec["schedule"].split())
        assert spec["timeZone"] == "Etc/UTC"  # a night's id is its date in UTC
        assert spec.get("suspend") is ("concurrencyPolicy" not in spec or None)


def test_a_job_always_ends_and_is_deleted():
    """When nodes never arrive, when it takes too long, when it fails, and when it is done."""
    (job,) = [document["spec"] for document in render(KUBERAY / "overlays" / "job-s3") if document["kind"] == "RayJob"]
    assert 0 < job["preRunningDeadlineSeconds"] < job["activeDeadlineSeconds"]
    assert job["shutdownAfterJobFinishes"]
    assert 0 < job["ttlSecondsAfterFinished"] < 86400
    assert job["backoffLimit"] == 1


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_only_the_gpu_overlay_requests_a_gpu(overlay):
    """And its group tolerates GPU nodes and uses the CUDA image."""
    for ray in [document for document in render(overlay) if document["kind"] in RAY_KINDS]:
        groups = {group["groupName"]: group for group in _cluster_of(ray)["workerGroupSpecs"]}
        assert groups["gpu"]["replicas"] == ("gpu" in overlay.name)
        for name, group in groups.items():
            pod = group["template"]["spec"]
            (container,) = pod["containers"]
            for of in ("requests", "limits"):
                assert container["resources"][of].get("nvidia.com/gpu") == ("1" if name == "gpu" else None)
            assert container["image"].endswith("-gpu") == (name == "gpu")
            assert [each["key"] for each in pod.get("tolerations", [])] == ["nvidia.com/gpu"] * (name == "gpu")


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_pods_can_connect_only_where_they_must(overlay):
    """By the network policies: among Ray's pods, to the Jobs API, to DNS, and to a bucket if there is one."""
    documents = render(overlay)
    ray = [_cluster_of(document) for document in documents if document["kind"] in RAY_KINDS]
    nodes = [(kind, group) for each in ray for kind, group in _groups(each)]
    pods = [
        group["template"]["metadata"]["labels"] | {"ray.io/is-ray-node": "yes", "ray.io/node-type": kind}
        for kind, group in nodes
    ]
    submitter = {"app.kubernetes.io/component": "submitter", "app.kubernetes.io/part-of": "sumsquares"}
    night = {"app.kubernetes.io/component": "nightly", "app.kubernetes.io/part-of": "sumsquares"}
    operator, dns = {"app.kubernetes.io/component": "kuberay-operator"}, {"k8s-app": "kube-dns"}
    here, out = "sumsquares", "elsewhere"
    for one in pods:
        for other in pods:
            assert connects(documents, (here, one), (here, other), 34567), "Ray's workers choose their ports"
        for stranger in ((here, {}), (out, one), (here, night), (out, submitter)):
            for port in (6379, 8265, 34567):
                assert not connects(documents, stranger, (here, one), port), f"{stranger} reaches {one} at {port}"
        for asks in ((here, submitter), (out, operator)):
            assert connects(documents, asks, (here, one), 8265) == (one["ray.io/node-type"] == "head")
            assert not connects(documents, asks, (here, one), 6379)
    for asked in ((None, {}), (out, {}), (here, night)):  # to and from a pod without a policy of its own
        assert not connects(documents, (here, {}), asked, 443)
        assert not connects(documents, asked, (here, {}), 443)
    for one in [*pods, submitter, night]:
        assert connects(documents, (here, one), ("kube-system", dns), 53)
        assert not connects(documents, (here, one), ("kube-system", dns), 443) or "s3" in overlay.name
        assert connects(documents, (here, one), (None, {}), 443) == ("s3" in overlay.name)
        assert not connects(documents, (here, one), (None, {}), 80)


def _groups(cluster: Document) -> list[tuple[str, Document]]:
    return [("head", cluster["headGroupSpec"]), *(("worker", group) for group in cluster["workerGroupSpecs"])]


def _sorted(documents: list[Document]) -> list[Document]:
    return sorted(documents, key=lambda each: (each["kind"], each["metadata"]["name"]))


def _cluster_of(ray: Document) -> Document:
    """Returns the cluster spec in a RayCluster, RayJob or RayCronJob."""
    spec = ray["spec"].get("jobTemplate", ray["spec"])
    return spec.get("rayClusterSpec", spec)


@cache
def _check_core(document: str, version: str) -> None:
    kubernetes_validate.validate(json.loads(document), version, strict=True)


@cache
def _ray_validator(kind: str) -> jsonschema.Draft202012Validator:
    """Returns a validator of a custom resource that rejects fields which a cluster would silently drop."""
    path = CRDS / f"ray.io_{RAY_KINDS[kind]}.yaml"
    if not path.exists():
        pytest.skip(f"KubeRay's definitions are not at {path}")
    about = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]  # 0.2 s; the Python loader takes 5
    (schema,) = [version["schema"]["openAPIV3Schema"] for version in about["versions"] if version["name"] == "v1"]
    return jsonschema.Draft202012Validator(_strict(schema) | {"required": ["apiVersion", "kind", "metadata", "spec"]})


def _strict(schema: Any) -> Any:
    """Returns the schema without room for unknown fields, except where it preserves them explicitly."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(each) for key, each in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("type") == "object" and not keeps and "properties" in schema:
        made["additionalProperties"] = False
    return made
