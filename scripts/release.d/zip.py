"""A ZIP archive that depends on its files' names and bytes alone: zip.py FOLDER ARCHIVE"""

import os
import sys
import time
import zipfile


def main():
    folder, archive = sys.argv[1:]
    base = os.path.dirname(folder)
    # ZIP begins in 1980, and has no time zone.
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(archive, "w") as result:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            entry = zipfile.ZipInfo(os.path.relpath(path, base), moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with open(path, "rb") as file:
                result.writestr(entry, file.read(), compresslevel=9)


main()
