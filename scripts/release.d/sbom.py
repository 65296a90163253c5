"""The bill of materials, CycloneDX 1.5: cargo metadata --format-version 1 | sbom.py SECONDS_SINCE_1970"""

import json
import sys
import time


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    registry = package["source"] is not None
    part = {
        "type": "library" if registry else "application",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        # An older spelling of OR.
        "licenses": [{"expression": (package["license"] or "NOASSERTION").replace("/", " OR ")}],
    }
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return part


def locked():
    """Name and version to checksum, of Cargo.lock."""
    checksums, values = {}, {}
    with open("Cargo.lock", encoding="utf-8") as lock:
        for line in lock:
            name, equals, value = line.strip().partition(" = ")
            if line.startswith("[["):
                values = {}
            elif equals:
                values[name] = value.strip('"')
                if name == "checksum":
                    checksums[values["name"], values["version"]] = values["checksum"]
    return checksums


def needed(metadata):
    """What the programs are made of: no tools of the tests."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, next_ones = set(), [metadata["resolve"]["root"]]
    while next_ones:
        name = next_ones.pop()
        if name in found:
            continue
        found.add(name)
        for dependency in nodes[name]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                next_ones.append(dependency["pkg"])
    return found, nodes


def main():
    metadata = json.load(sys.stdin)
    found, nodes = needed(metadata)
    packages = {package["id"]: package for package in metadata["packages"] if package["id"] in found}
    root = metadata["resolve"]["root"]
    checksums = locked()
    in_order = sorted(packages.values(), key=lambda package: (package["name"], package["version"]))
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(sys.argv[1]))),
            "component": component(packages[root], checksums),
        },
        "components": [component(package, checksums) for package in in_order if package["id"] != root],
        "dependencies": [
            {
                "ref": purl(package),
                "dependsOn": sorted(purl(packages[name]) for name in nodes[package["id"]]["dependencies"] if name in packages),
            }
            for package in in_order
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


main()
