"""Writes what the image holds as CycloneDX 1.6: this project, Python and its packages, Debian's packages.

    python sbom.py REVISION REPORT... > sbom.json

The image's own Python runs it, in a build stage that is left behind, after everything is installed. Versions and
licenses are those of the installed metadata and of dpkg, hashes those in the reports of `pip install --report`. It
needs the standard library alone: the build trusts no further tool. Not listed: what is compiled into a wheel, such as
the libraries inside torch, and the licenses of Debian's packages, which are in /usr/share/doc.
"""

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

PROJECT = "sumsquares"
DPKG = ("dpkg-query", "--show", "--showformat", r"${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n")
WHERE_THE_BASE_LOOKS = "import sys; print(*filter(None, sys.path), sep='\\n')"

Component = dict[str, Any]
Hashes = dict[tuple[str, str], str]
"""SHA-256 by name and version."""


def normalized(name: str) -> str:
    """The one spelling of a Python package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(kind: str, namespace: str, name: str, version: str, qualifiers: str = "") -> Component:
    """What has a name and a version; its package URL is its identity."""
    purl = f"pkg:{namespace}/{quote(name, safe='')}@{quote(version, safe=':')}{qualifiers}"
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def licenses(package: Distribution) -> list[Component]:
    """An expression where the metadata has one, else the classifiers, else a line of text."""
    if expression := package.metadata.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = package.metadata.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    text = package.metadata.get("License", "")
    if not names and 0 < len(text) < 100 and "\n" not in text:
        names = [text]
    return [{"license": {"name": name}} for name in names]


def python_package(package: Distribution, hashes: Hashes) -> Component:
    """One installed distribution, with the hash of the file that it was installed from, where pip told it."""
    name, version = normalized(package.metadata["Name"]), package.version
    found = component("library", "pypi", name, version)
    if digest := hashes.get((name, version)):
        found["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if known := licenses(package):
        found["licenses"] = known
    return found


def sha256(archive: dict[str, Any]) -> str:
    """Of a file, as a report says it; before pip 23.1 in one string with the algorithm."""
    return archive["hashes"]["sha256"] if "hashes" in archive else archive["hash"].removeprefix("sha256=")


def fetched(report: dict[str, Any]) -> Hashes:
    """The hash of each file that pip fetched."""
    found = [(each["metadata"], each["download_info"]["archive_info"]) for each in report["install"]]
    return {(normalized(facts["name"]), facts["version"]): sha256(archive) for facts, archive in found}


def debian_packages(listing: str, distro: str) -> list[Component]:
    """What dpkg has installed, by the output of DPKG."""
    rows = [line.split("\t") for line in listing.splitlines()]
    return [
        component("library", "deb/debian", name, version, f"?arch={architecture}&distro={distro}")
        for status, name, version, architecture in rows
        if status.startswith("ii")
    ]


def document(revision: str, project: Distribution, components: Iterable[Component]) -> dict[str, Any]:
    """The whole SBOM, each component once, in the order of their identities."""
    subject = component("application", "generic", PROJECT, project.version) | {"licenses": licenses(project)}
    if revision:
        subject["properties"] = [{"name": "org.opencontainers.image.revision", "value": revision}]
    once = {each["bom-ref"]: each for each in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": datetime.now(UTC).isoformat(timespec="seconds"), "component": subject},
        "components": [once[key] for key in sorted(once)],
    }


def printed(*command: str) -> str:
    """What a command says; it must succeed."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(revision: str, *reports: str) -> None:
    """Looks around, and prints."""
    hashes: Hashes = {}
    for report in reports:
        hashes |= fetched(json.loads(Path(report).read_text()))
    # The base image's own Python has packages too, such as pip.
    folders = printed(sys._base_executable, "-c", WHERE_THE_BASE_LOOKS).splitlines()  # type: ignore[attr-defined]
    found = [*distributions(path=folders), *distributions()]
    system = platform.freedesktop_os_release()
    components = [
        component("platform", "generic", "python", platform.python_version()),
        *(python_package(each, hashes) for each in found if normalized(each.metadata["Name"]) != PROJECT),
        *debian_packages(printed(*DPKG), f"{system['ID']}-{system['VERSION_ID']}"),
    ]
    json.dump(document(revision, distribution(PROJECT), components), sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
