#!/bin/sh
# Installs the call recorder from the folder of this script: install.sh [ROOT]
# Without ROOT, installs it on the running phone and starts it; with ROOT, installs it into that folder (an image that is
# being built). An existing callrec.conf is kept; the new one is stored next to it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-}

fail() {
    echo "install: $*" >&2
    exit 1
}

case $root in -h | --help) sed -n '2,4s/^# //p' "$0" && exit 0 ;; esac
[ -z "$root" ] || [ -d "$root" ] || fail "$root: no such folder"
(cd "$here" && sha256sum -c SHA256SUMS >/dev/null) || fail "$here: files are damaged or missing: unpack the package again"

# Replaced atomically: written under another name on the same file system first.
put() {
    mkdir -p "$root${2%/*}"
    { cp "$here/$1" "$root$2.new" && chmod "$3" "$root$2.new" && mv "$root$2.new" "$root$2"; } ||
        fail "$root$2 cannot be written: is the file system writable, is there space?"
}

put callrec /usr/bin/callrec 755
put S80callrec /etc/init.d/S80callrec 755
put uninstall.sh /usr/share/callrec/uninstall.sh 755
put Listen.html /usr/share/callrec/Listen.html 644
if [ ! -e "$root/etc/callrec.conf" ]; then
    put callrec.conf /etc/callrec.conf 600
elif ! cmp -s "$here/callrec.conf" "$root/etc/callrec.conf"; then
    put callrec.conf /etc/callrec.conf.dist 600
    echo "install: kept $root/etc/callrec.conf; this version's own is callrec.conf.dist beside it"
fi
sync
echo "install: $root/usr/bin/callrec, $root/etc/init.d/S80callrec, $root/etc/callrec.conf"
if [ -z "$root" ]; then
    callrec check /etc/callrec.conf >/dev/null || fail "/etc/callrec.conf is not valid for this version: correct it, then: /etc/init.d/S80callrec start"
    /etc/init.d/S80callrec restart
fi
