#!/bin/sh
# Installs the program from the folder of this script: install.sh [ROOT]
# Without ROOT, installs it on the running device and starts it; with ROOT, installs it into that folder (an image that is
# being built). An existing configuration is kept; the new one is stored next to it.
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

# The phone's recorder, or the box of an intercom.
name=callrec service=S80callrec
[ ! -e "$here/callrec-box" ] || { name=callrec-box service=S81callrec-box; }

put $name /usr/bin/$name 755
put $service /etc/init.d/$service 755
put uninstall.sh /usr/share/$name/uninstall.sh 755
[ $name = callrec-box ] || put Listen.html /usr/share/callrec/Listen.html 644
if [ ! -e "$root/etc/$name.conf" ]; then
    put $name.conf /etc/$name.conf 600
elif ! cmp -s "$here/$name.conf" "$root/etc/$name.conf"; then
    put $name.conf /etc/$name.conf.dist 600
    echo "install: kept $root/etc/$name.conf; this version's own is $name.conf.dist beside it"
fi
sync
echo "install: $root/usr/bin/$name, $root/etc/init.d/$service, $root/etc/$name.conf"
if [ -z "$root" ]; then
    $name check /etc/$name.conf >/dev/null || fail "/etc/$name.conf is not valid for this version: correct it, then: /etc/init.d/$service start"
    /etc/init.d/$service restart
fi
