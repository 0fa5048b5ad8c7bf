"""Writes the content of the image as CycloneDX 1.6: this project, Python and its packages, Debian's packages.

    python sbom.py REVISION REPORT... > sbom.json

The image's Python runs it in a separate build stage, after everything is installed. Versions and licenses come from the
installed metadata and from dpkg, hashes from the reports of `pip install --report`. It uses only the standard library,
so that the build trusts no further tool. It doesn't list what is compiled into a wheel, such as the libraries inside
torch, or the licenses of Debian's packages, which are in /usr/share/doc.
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
    """Returns the canonical spelling of a Python package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(kind: str, namespace: str, name: str, version: str, qualifiers: str = "") -> Component:
    """Returns a component with a name and a version, identified by its package URL."""
    purl = f"pkg:{namespace}/{quote(name, safe='')}@{quote(version, safe=':')}{qualifiers}"
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def licenses(package: Distribution) -> list[Component]:
    """Returns the license expression of the metadata, else the classifiers, else a line of text."""
    if expression := package.metadata.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = package.metadata.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    text = package.metadata.get("License", "")
    if not names and 0 < len(text) < 100 and "\n" not in text:
        names = [text]
    return [{"license": {"name": name}} for name in names]


def python_package(package: Distribution, hashes: Hashes) -> Component:
    """Returns one installed distribution, with the hash of the file it was installed from if pip reported it."""
    name, version = normalized(package.metadata["Name"]), package.version
    found = component("library", "pypi", name, version)
    if digest := hashes.get((name, version)):
        found["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if known := licenses(package):
        found["licenses"] = known
    return found


def sha256(archive: dict[str, Any]) -> str:
    """The hash of a file in a report; before pip 23.1 it is one string with the algorithm."""
    return archive["hashes"]["sha256"] if "hashes" in archive else archive["hash"].removeprefix("sha256=")


def fetched(report: dict[str, Any]) -> Hashes:
    """Returns the hash of each file that pip downloaded."""
    found = [(each["metadata"], each["download_info"]["archive_info"]) for each in report["install"]]
    return {(normalized(facts["name"]), facts["version"]): sha256(archive) for facts, archive in found}


def debian_packages(listing: str, distro: str) -> list[Component]:
    """Parses the output of DPKG into the installed Debian packages."""
    rows = [line.split("\t") for line in listing.splitlines()]
    return [
        component("library", "deb/debian", name, version, f"?arch={architecture}&distro={distro}")
        for status, name, version, architecture in rows
        if status.startswith("ii")
    ]


def document(revision: str, project: Distribution, components: Iterable[Component]) -> dict[str, Any]:
    """Returns the whole SBOM, with each component once, ordered by identity."""
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
    """Runs a command that must succeed, and returns its output."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(revision: str, *reports: str) -> None:
    """Collects all components, and prints the SBOM."""
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
