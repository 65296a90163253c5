#!/bin/sh
# Removes the intercom's box: uninstall.sh [--purge] [ROOT]
# Its firewall's rules go, too. Configuration and tokens stay unless --purge is given.
set -eu
purge=
[ "${1:-}" != --purge ] || { purge=1 && shift; }
root=${1:-}
case $root in -h | --help) sed -n '2,3s/^# //p' "$0" && exit 0 ;; esac
[ $# -le 1 ] || { echo "uninstall: unexpected '$2': uninstall.sh [--purge] [ROOT]" >&2; exit 2; }
[ -z "$root" ] || [ -d "$root" ] || { echo "uninstall: $root: no such folder" >&2; exit 1; }
[ ! -x "$root/etc/init.d/S81callrec-box" ] || CALLREC_ROOT=$root "$root/etc/init.d/S81callrec-box" stop
# The kernel of the machine that builds an image has no rules of the box.
[ -n "$root" ] || [ ! -x /usr/bin/callrec-box ] || /usr/bin/callrec-box firewall remove
rm -f "$root/usr/bin/callrec-box" "$root/etc/init.d/S81callrec-box" "$root/etc/callrec-box.conf.dist" "$root/var/log/callrec-box.log"
if [ -n "$purge" ]; then
    # A stateDir elsewhere stays: it may be a folder of others.
    rm -rf "$root/etc/callrec-box.conf" "$root/var/lib/callrec-box"
fi
rm -rf "$root/usr/share/callrec-box"
sync
echo "uninstall: done"
