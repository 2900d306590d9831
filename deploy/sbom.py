"""Writes what Tidings consists of to build/sbom.cdx.json, as CycloneDX 1.6: `make sbom`.

Versions are those of `constraints.txt`. What depends on what, and under which licences, is read from what is installed,
which has to be just that. Nothing else gets in: no time, no path of this machine and no host of a registry.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "sbom.cdx.json"

Pins = dict[str, str]
"""Versions by canonical name."""


class NotAsPinned(RuntimeError):
    """What is installed is not what is pinned; the message says what."""


def main() -> None:
    """Write the file, and say where it is."""
    try:
        text = sbom(pinned((ROOT / "constraints.txt").read_text()))
    except NotAsPinned as error:
        sys.exit(f"No SBOM: {error}. `make setup` installs what is pinned.")
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(f"{text}\n")
    print(PLACE.relative_to(ROOT))


def pinned(constraints: str) -> Pins:
    """What `constraints.txt` says."""
    lines = (line.partition("#")[0].strip() for line in constraints.splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): version for name, version in pairs}


def sbom(pins: Pins) -> str:
    """Tidings with all that it needs to run, not what it is developed with. Raises NotAsPinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    root = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=name)
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, repr(sorted(pins.items()))))
    bom.metadata.component = root
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the same pins make the same file
    Walk(bom, pins).needs(root, project["dependencies"])
    return JsonV1Dot6(bom).output_as_string(indent=2)


class Walk:
    """From a distribution to all that it needs, each put into the bill once."""

    def __init__(self, bom: Bom, pins: Pins) -> None:
        self._bom = bom
        self._pins = pins
        self._components: dict[str, Component] = {}
        self._seen: set[tuple[str, frozenset[str]]] = set()

    def needs(self, component: Component, requirements: Iterable[str], extras: Iterable[str] = ()) -> None:
        """What a component needs on this system, with the extras that were asked for."""
        needed = [each for each in map(Requirement, requirements) if _holds(each, extras)]
        self._bom.register_dependency(component, list(map(self._component, needed)))

    def _component(self, requirement: Requirement) -> Component:
        name = canonicalize_name(requirement.name)
        installed = _installed(name, self._pins)
        component = self._components.get(name) or self._new(name, installed)
        asked = name, frozenset(requirement.extras)
        if asked not in self._seen:
            self._seen.add(asked)
            self.needs(component, installed.requires or (), requirement.extras)
        return component

    def _new(self, name: str, installed: Distribution) -> Component:
        component = self._components[name] = Component(
            name=name,
            version=installed.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{name}@{installed.version}",
            purl=PackageURL("pypi", None, name, installed.version),
            licenses=_licences(installed),
        )
        self._bom.components.add(component)
        return component


def _holds(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _installed(name: str, pins: Pins) -> Distribution:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise NotAsPinned(f"{name} is not installed") from None
    if found.version != pins.get(name):
        raise NotAsPinned(f"{name} {found.version} is installed, {pins.get(name, 'nothing')} is pinned")
    return found


def _licences(installed: Distribution) -> list[License]:
    """As the distribution says itself, in one of the three places where that is done."""
    metadata = installed.metadata
    if "License-Expression" in metadata:
        return [LicenseExpression(metadata["License-Expression"])]
    classifiers = [one for one in metadata.get_all("Classifier") or [] if one.startswith("License :: ")]
    names = [classifier.rpartition(" :: ")[2] for classifier in classifiers]
    if not names and "License" in metadata:
        names = metadata["License"].strip().splitlines()[:1]
    return [DisjunctiveLicense(name=name) for name in names]


if __name__ == "__main__":
    main()
