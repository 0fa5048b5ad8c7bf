"""Rules that all objects of a deployment must satisfy: `faults` lists violations. Schemas are checked elsewhere.

They include Kubernetes' restricted pod security profile and our own rules: one token, no secret values, requests and
limits, images from the kustomization only, nothing published beyond the cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
TOKEN, KEYS = "sumsquares-ray-token", "sumsquares-s3"
CREDENTIALS = re.compile(r"(?i)(secret|token|passw|credential|private|access_?key)")
ENFORCED = "pod-security.kubernetes.io/enforce"
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim"}
OF_HOST = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")
LONGEST = {"CronJob": 52, "RayJob": 47, "RayCronJob": 36, "RayCluster": 47}
"""Longest names; a RayCronJob appends 11 characters to its name for its RayJobs."""
UNITS = {"": 1, "m": 1e-3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def faults(documents: list[Document], images: set[str]) -> list[str]:
    """Returns all violations with their places; `images` are those that the kustomization sets."""
    found = [f"{place}: {fault}" for document in documents for place, fault in _of_document(document, images)]
    return found + [f"{name}: {fault}" for name, fault in [*_references(documents), *_stores(documents)]]


def pods(document: Document) -> Iterator[tuple[str, Document]]:
    """Yields every pod spec in an object, that is, everything with containers, and its place."""
    yield from _pods(document, document["kind"])


def containers(document: Document) -> Iterator[tuple[str, Document, Document]]:
    """Yields every container with its place and its pod spec."""
    for place, pod in pods(document):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{place}.{container['name']}", container, pod


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([0-9.]+)(m|[KMGT]i)?", text).groups()
    return float(number) * UNITS[unit or ""]


def _pods(value: Any, place: str) -> Iterator[tuple[str, Document]]:
    if isinstance(value, dict):
        if "containers" in value:
            yield place, value
        for key, each in value.items():
            yield from _pods(each, f"{place}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _pods(each, f"{place}[{index}]")


def _of_document(document: Document, images: set[str]) -> Iterator[tuple[str, str]]:
    kind, name, spec = document["kind"], document["metadata"]["name"], document.get("spec", {})
    if len(name) > LONGEST.get(kind, 63):
        yield f"{kind} {name}", f"its name has more than {LONGEST.get(kind, 63)} characters"
    if kind == "Namespace" and document["metadata"].get("labels", {}).get(ENFORCED) != "restricted":
        yield f"{kind} {name}", "pods that are not restricted are let in"
    if kind == "PersistentVolumeClaim" and spec["accessModes"] != ["ReadWriteMany"]:
        yield f"{kind} {name}", "not all pods can write to it"
    if kind == "Secret":
        yield f"{kind} {name}", "secrets are made by hand"
    if kind == "Service" and spec.get("type", "ClusterIP") != "ClusterIP":
        yield f"{kind} {name}", "published beyond the cluster"
    for place, pod in pods(document):
        yield from ((place, fault) for fault in _of_pod(pod))
    for place, container, pod in containers(document):
        yield from ((place, fault) for fault in _of_container(container, pod, images))
    for place, cluster in _with_key(document, "headGroupSpec", kind):
        yield from ((place, fault) for fault in _of_cluster(cluster))
    for place, job in _with_key(document, "entrypoint", kind):
        yield from ((place, fault) for fault in _of_job(job))


def _with_key(value: Any, key: str, place: str) -> Iterator[tuple[str, Document]]:
    if isinstance(value, dict):
        if key in value:
            yield place, value
        for name, each in value.items():
            yield from _with_key(each, key, f"{place}.{name}")


def _of_pod(pod: Document) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if any(pod.get(key) is not None for key in OF_HOST):
        yield "shares the node's namespaces"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the Kubernetes API"
    if (context.get("runAsNonRoot"), context.get("runAsUser"), context.get("runAsGroup")) != (True, 10001, 10001):
        yield "doesn't run as 10001, which the image's files belong to"
    if context.get("fsGroup") != 10001:
        yield "may not write to its volumes"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}: {sorted(volume)}"
        if "sizeLimit" not in volume.get("emptyDir", {"sizeLimit": ""}):
            yield f"volume {volume['name']}: no size limit"


def _of_container(container: Document, pod: Document, images: set[str]) -> Iterator[str]:
    context, resources = container.get("securityContext", {}), container.get("resources", {})
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if context != wanted:
        yield f"securityContext differs in {sorted(k for k in {*context, *wanted} if context.get(k) != wanted.get(k))}"
    for of in ("requests", "limits"):
        if not {"cpu", "memory"} <= set(resources.get(of, {})):
            yield f"no {of} of CPU and memory"
    wants, has = resources.get("requests", {}), resources.get("limits", {})
    if any(key in has and quantity(wants[key]) > quantity(has[key]) for key in wants):
        yield "requests more than its limits"
    if container["image"] not in images:
        yield f"image {container['image']} is none of the kustomization's"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "publishes a port of the node"
    yield from _of_variables(container.get("env", []))
    yield from _of_mounts(container, pod)


def _of_variables(variables: list[Document]) -> Iterator[str]:
    for variable in variables:
        if CREDENTIALS.search(variable["name"]) and variable["name"] != "RAY_AUTH_MODE" and "value" in variable:
            yield f"{variable['name']} has its value here"
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        if secret and secret != {"name": TOKEN, "key": "auth_token"}:
            yield f"{variable['name']} comes from {secret}"


def _of_mounts(container: Document, pod: Document) -> Iterator[str]:
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    if not set(mounts) <= set(volumes):
        yield f"mounts {sorted(set(mounts) - set(volumes))}, which the pod hasn't got"
    empty = {mounts[name]: volumes[name]["emptyDir"] for name in mounts if "emptyDir" in volumes.get(name, {})}
    if not {"/tmp", "/home/sumsquares"} <= set(empty):  # noqa: S108  a path in the container
        yield "has a read-only root and no /tmp or HOME to write to"
    if _shared(pod) and empty.get("/dev/shm", {}).get("medium") != "Memory":  # noqa: S108
        yield "its shared memory is not at /dev/shm"
    memory = quantity(container.get("resources", {}).get("limits", {}).get("memory", "0"))
    if sum(_shared(pod)) > memory / 2:
        yield "shared memory counts as its memory, and takes more than half of it"


def _shared(pod: Document) -> list[float]:
    """Returns the size in bytes of each volume in memory."""
    volumes = [volume["emptyDir"] for volume in pod.get("volumes", []) if "emptyDir" in volume]
    return [quantity(volume.get("sizeLimit", "0")) for volume in volumes if volume.get("medium") == "Memory"]


def _of_cluster(cluster: Document) -> Iterator[str]:
    head = cluster["headGroupSpec"]
    if cluster.get("authOptions") != {"mode": "token", "secretName": TOKEN}:
        yield f"authOptions {cluster.get('authOptions')}"
    if head.get("serviceType") != "ClusterIP" or head.get("enableIngress"):
        yield "the head is published beyond the cluster"
    if head["rayStartParams"].get("num-cpus") != "0":
        yield "work runs on the head"
    for group in [head, *cluster["workerGroupSpecs"]]:
        shared = _shared(group["template"]["spec"])
        if not shared or float(group["rayStartParams"].get("object-store-memory", "inf")) > shared[0]:
            yield f"{group.get('groupName', 'head')}: /dev/shm is smaller than the object store"


def _of_job(job: Document) -> Iterator[str]:
    if bool(job.get("shutdownAfterJobFinishes")) == bool(job.get("deletionStrategy")):
        yield "one of shutdownAfterJobFinishes and deletionStrategy"
    if job.get("clusterSelector") and job.get("rayClusterSpec"):
        yield "both clusterSelector and rayClusterSpec"
    if job.get("submissionMode", "K8sJobMode") == "K8sJobMode" and "submitterPodTemplate" not in job:
        yield "KubeRay's own submitter is not restricted"
    if not job.get("activeDeadlineSeconds"):
        yield "no deadline"


def _references(documents: list[Document]) -> Iterator[tuple[str, str]]:
    """Yields names that a pod refers to without an object in the deployment; the two secrets are exempt."""
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for document in documents:
        for place, pod in pods(document):
            for missing in sorted(set(_named(pod)) - there - {("Secret", TOKEN), ("Secret", KEYS)}):
                yield place, f"there is no {missing[0]} {missing[1]}"
            refers = {name for kind, name in _named(pod) if kind == "Secret"} | {
                cluster["authOptions"].get("secretName") for _, cluster in _with_key(document, "authOptions", "")
            }
            own_ray = any(each.get("args", [""])[0] == "nightly" for each in pod.get("containers", []))
            if (TOKEN in refers) == own_ray:
                yield place, "knows a token that its own Ray doesn't use" if own_ray else "knows no token"


def _stores(documents: list[Document]) -> Iterator[tuple[str, str]]:
    """Yields containers of ours without their store: its volume at the store's path, or the bucket's keys."""
    maps = {each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"}
    for document in documents:
        for place, container, pod in containers(document):
            if "submitterPodTemplate" in place:
                continue
            sources = [source for each in container.get("envFrom", []) for source in each.values()]
            given = [maps[each["name"]] for each in sources if "SUMSQUARES_STORE" in maps.get(each["name"], {})]
            if not given:
                yield place, "has no store"
            elif given[0]["SUMSQUARES_STORE"].startswith("/"):
                shared = {volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
                paths = {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in shared}
                if given[0]["SUMSQUARES_STORE"] not in paths:
                    yield place, "its store is not on the shared volume"
            elif KEYS not in {each["name"] for each in sources}:
                yield place, "has no keys of the bucket"


def _named(pod: Document) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod.get("serviceAccountName", "default")
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        for source in container.get("envFrom", []):
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            yield kind, next(iter(source.values()))["name"]
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]
