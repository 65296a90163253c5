"""Programs from Debian's packages, installed when they are missing."""

import os
import shutil
import subprocess
import sys

from measure import Failed


def need(*packages):
    """Installs what is missing of these packages."""
    missing = [package for package in packages if not shutil.which(package) and not _installed(package)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failed(f"needs {', '.join(missing)}, and finds no apt-get to install them with")
    print(f"bench: installing {' '.join(missing)}", file=sys.stderr)
    root = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*root, "apt-get", "update", "-qq"], check=True, stdout=sys.stderr)
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", *missing]
    subprocess.run([*root, *install], check=True, stdout=sys.stderr)


def _installed(package):
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "-W", "-f", "${Status}", package]
    return "ok installed" in subprocess.run(query, capture_output=True, text=True, check=False).stdout
