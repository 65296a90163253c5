"""Programs from Debian's packages, installed when they are missing."""

import os
import shutil
import subprocess
import sys

from measure import Failed

# Where a package has another name than its program.
PACKAGES = {}


def need(*programs):
    """Installs what is missing of these programs."""
    missing = sorted({PACKAGES.get(program, program) for program in programs if not shutil.which(program)})
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failed(f"needs {', '.join(missing)}, and finds no apt-get to install them with")
    print(f"bench: installing {' '.join(missing)}", file=sys.stderr)
    root = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*root, "apt-get", "update", "-qq"], check=True, stdout=sys.stderr)
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", *missing]
    subprocess.run([*root, *install], check=True, stdout=sys.stderr)
