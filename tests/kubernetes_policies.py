"""Evaluates a deployment's network policies, as far as they select by labels and ports."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
Place = tuple[str | None, dict[str, str]]
"""A namespace, or None outside the cluster, and the labels of a pod there."""


def connects(documents: list[Document], one: Place, other: Place, port: int) -> bool:
    """Whether `one` may open a TCP connection to `other`: both its egress and the other's ingress must allow it."""
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    return _lets(policies, "Egress", one, other, port) and _lets(policies, "Ingress", other, one, port)


def _lets(policies: list[Document], way: str, pod: Place, peer: Place, port: int) -> bool:
    """A pod without a policy is unrestricted; otherwise any of its policies may allow the connection."""
    chosen = [
        each["spec"]
        for each in policies
        if each["metadata"]["namespace"] == pod[0]
        and way in each["spec"]["policyTypes"]
        and _has(each["spec"]["podSelector"], pod[1])
    ]
    rules = [rule for spec in chosen for rule in spec.get(way.lower(), [])]
    return not chosen or any(_allows(rule, way, pod[0], peer, port) for rule in rules)


def _allows(rule: Document, way: str, namespace: str | None, peer: Place, port: int) -> bool:
    assert set(rule) <= {"from", "to", "ports"}, rule
    ports = [each["port"] for each in rule.get("ports", []) if each["protocol"] == "TCP"]
    if "ports" in rule and port not in ports:
        return False
    peers = rule.get("to" if way == "Egress" else "from", [])
    return not peers or any(_is(each, namespace, peer) for each in peers)


def _is(chosen: Document, namespace: str | None, peer: Place) -> bool:
    assert set(chosen) <= {"ipBlock", "namespaceSelector", "podSelector"}, chosen
    where, labels = peer
    if "ipBlock" in chosen:
        assert set(chosen["ipBlock"]) == {"cidr"}, chosen
        return chosen["ipBlock"]["cidr"] in ("0.0.0.0/0", "::/0")
    if where is None:
        return False
    if "namespaceSelector" in chosen:
        there = _has(chosen["namespaceSelector"], {"kubernetes.io/metadata.name": where})
    else:
        there = where == namespace
    return there and _has(chosen.get("podSelector", {}), labels)


def _has(selector: Document, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()
