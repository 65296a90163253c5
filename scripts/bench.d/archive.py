"""scripts/bench archive: how long the archive's searches take over a large catalogue, and what memory it needs."""

import argparse
import os
import subprocess


def main(arguments):
    """Prints the median of 20 of each search."""
    parser = argparse.ArgumentParser(prog="scripts/bench archive", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="made-up calls [5000000]")
    parser.add_argument("--postgres", action="store_true", help="in PostgreSQL, which is started for it (Debian package)")
    options = parser.parse_args(arguments)
    environment = {**os.environ, "ARCHIVE_ROWS": str(options.rows)}
    if options.postgres:
        environment["ARCHIVE_POSTGRES"] = "1"
    command = ["cargo", "test", "--quiet", "--release", "--test", "archive", "scale::", "--", "--nocapture"]
    return subprocess.run(command, env=environment, check=False).returncode
