"""Implements the part of kustomize that cluster/kuberay uses, and rejects the rest, so that tests need no kustomize.

Resources, components, JSON patches, namespace, images and config maps of files and literals, in kustomize's own order.
A test compares it with `kubectl kustomize` if that is installed.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
FIELDS = {
    "apiVersion", "kind", "namespace", "resources", "components", "patches", "images", "configMapGenerator",
    "generatorOptions",
}  # fmt: skip
WITHOUT_NAMESPACE = {"Namespace"}


def render(folder: Path) -> list[Document]:
    """Returns the objects of an overlay."""
    return _render(folder, [])


def render_components(resource: Path, components: list[Path]) -> list[Document]:
    """Returns the objects of a folder with components applied, as in an overlay."""
    documents = render(resource)
    for component in components:
        documents = _render(component, documents)
    return _with_namespace(documents, "sumsquares")


def load(path: Path) -> list[Document]:
    """Returns the documents of a file, with anchors copied; a duplicate key is an error."""
    return json.loads(json.dumps([each for each in yaml.load_all(path.read_text(), _Strict) if each is not None]))


def patched(document: Document, operations: list[Document]) -> Document:
    """Returns the document after a JSON patch (RFC 6902); a missing path is a KeyError or IndexError."""
    document = copy.deepcopy(document)
    for operation in operations:
        kind, path = operation["op"], operation["path"]
        if kind == "test":
            assert _get(document, path) == operation["value"], f"{path} is {_get(document, path)!r}"
        elif kind in ("add", "replace"):
            if kind == "replace":
                _get(document, path)
            _put(document, path, copy.deepcopy(operation["value"]), replace=kind == "replace")
        elif kind in ("copy", "move"):
            value = copy.deepcopy(_get(document, operation["from"]))
            if kind == "move":
                _delete(document, operation["from"])
            _put(document, path, value, replace=False)
        else:
            assert kind == "remove", kind
            _delete(document, path)
    return document


def _render(folder: Path, documents: list[Document]) -> list[Document]:
    """Applies a kustomization to the documents accumulated so far."""
    (about,) = load(folder / "kustomization.yaml")
    assert set(about) <= FIELDS, f"{folder}: {sorted(set(about) - FIELDS)} are not supported here"
    documents = list(documents)
    for name in about.get("resources", []):
        path = folder / name
        documents += render(path) if path.is_dir() else load(path)
    for generator in about.get("configMapGenerator", []):
        documents = _with_config_map(documents, generator, folder)
    for name in about.get("components", []):
        documents = _render(folder / name, documents)
    for patch in about.get("patches", []):
        (operations,) = load(folder / patch["path"]) if "path" in patch else yaml.safe_load_all(patch["patch"])
        chosen = patch["target"]
        assert set(chosen) == {"kind"}, chosen
        documents = [patched(each, operations) if each["kind"] == chosen["kind"] else each for each in documents]
    if "namespace" in about:
        documents = _with_namespace(documents, about["namespace"])
    return [_with_images(each, about.get("images", [])) for each in documents]


def _with_config_map(documents: list[Document], generator: Document, folder: Path) -> list[Document]:
    assert set(generator) <= {"name", "behavior", "files", "literals"}, generator
    data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for entry in generator.get("files", []):
        key, _, path = entry.rpartition("=")
        data[key or Path(path).name] = (folder / path).read_text()
    same = [each for each in documents if each["kind"] == "ConfigMap" and each["metadata"]["name"] == generator["name"]]
    behavior = generator.get("behavior", "create")
    assert len(same) == (behavior != "create"), f"{generator['name']}: {behavior}, and there are {len(same)}"
    if same:
        same[0]["data"] = data if behavior == "replace" else {**same[0]["data"], **data}
        return documents
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}
    return [*documents, made]


def _with_namespace(documents: list[Document], namespace: str) -> list[Document]:
    for document in documents:
        if document["kind"] in WITHOUT_NAMESPACE:
            document["metadata"]["name"] = namespace
        else:
            document["metadata"]["namespace"] = namespace
    return documents


def _with_images(value: Any, images: list[Document]) -> Any:
    """Returns the value with the image of every container renamed, at any depth."""
    if isinstance(value, list):
        return [_with_images(each, images) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _with_images(each, images) for key, each in value.items()}
    for container in [each for key in ("containers", "initContainers") for each in made.get(key, [])]:
        for image in images:
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
                break
    return made


def _parts(path: str) -> list[str]:
    assert path.startswith("/"), path
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _step(value: Any, part: str) -> Any:
    return value[int(part)] if isinstance(value, list) else value[part]


def _get(document: Any, path: str) -> Any:
    for part in _parts(path):
        document = _step(document, part)
    return document


def _parent(document: Any, path: str) -> tuple[Any, str]:
    *before, last = _parts(path)
    for part in before:
        document = _step(document, part)
    return document, last


def _put(document: Any, path: str, value: Any, replace: bool) -> None:
    parent, last = _parent(document, path)
    if isinstance(parent, list) and not replace:
        parent.insert(len(parent) if last == "-" else int(last), value)
    elif isinstance(parent, list):
        parent[int(last)] = value
    else:
        parent[last] = value


def _delete(document: Any, path: str) -> None:
    parent, last = _parent(document, path)
    del parent[int(last) if isinstance(parent, list) else last]


class _Strict(yaml.SafeLoader):
    """The safe loader, but strict: by itself it silently takes the last of two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key occurs twice: {keys}"
        return super().construct_mapping(node, deep)
