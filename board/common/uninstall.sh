#!/bin/sh
# Removes the call recorder: uninstall.sh [--purge] [ROOT]
# The configuration stays unless --purge is given; recordings are never touched.
set -eu
purge=
[ "${1:-}" != --purge ] || { purge=1 && shift; }
root=${1:-}
case $root in -h | --help) sed -n '2,3s/^# //p' "$0" && exit 0 ;; esac
[ $# -le 1 ] || { echo "uninstall: unexpected '$2': uninstall.sh [--purge] [ROOT]" >&2; exit 2; }
[ -z "$root" ] || [ -d "$root" ] || { echo "uninstall: $root: no such folder" >&2; exit 1; }
[ ! -x "$root/etc/init.d/S80callrec" ] || CALLREC_ROOT=$root "$root/etc/init.d/S80callrec" stop
rm -f "$root/usr/bin/callrec" "$root/etc/init.d/S80callrec" "$root/etc/callrec.conf.dist" "$root/var/log/callrec.log"
[ -z "$purge" ] || rm -f "$root/etc/callrec.conf" "$root/etc/callrec.fsp"
rm -rf "$root/usr/share/callrec"
sync
echo "uninstall: done"
