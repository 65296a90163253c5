#!/bin/sh
# The init script, install and uninstall, run by BusyBox and nothing else, with a real daemon:
# tests/init-script.sh CALLREC. Says what it checked; ends with status 1 at the first that is not so.
# shellcheck disable=SC2015,SC2009 # `fail` never returns; BusyBox may lack pgrep
set -eu
[ $# -eq 1 ] && [ -x "$1" ] || { echo "usage: $0 CALLREC (the program, for this machine)" >&2; exit 2; }
callrec=$(realpath "$1")
cd "$(dirname "$0")/.."
busybox=$(command -v busybox || echo "$PWD"/target/cross/callrec-*/bin/busybox)
[ -x "$busybox" ] || { echo "init-script: busybox is missing: apt-get install busybox-static" >&2; exit 2; }

# Short, for the socket's path.
work=$(mktemp -d /tmp/callrec-init-XXXXXX)
root=$work/root
run=$root/var/run
log=$root/var/log/callrec.log
mkdir -p "$work/bin" "$work/package" "$work/stick" "$root/etc/init.d" "$run"
"$busybox" --install -s "$work/bin"
# No syslog here: the log goes to a file that can be read.
rm -f "$work/bin/logger"
PATH=$work/bin
export PATH CALLREC_ROOT="$root" RUST_LOG=info

finish() {
    status=$?
    "$root/etc/init.d/S80callrec" stop >/dev/null 2>&1 || true
    "$root/etc/init.d/S81callrec-box" stop >/dev/null 2>&1 || true
    [ $status -eq 0 ] || { echo "--- log"; cat "$log" 2>/dev/null || true; }
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

fail() {
    echo "init-script: $*" >&2
    exit 1
}
ok() { echo "ok: $*"; }
service() { sh "$root/etc/init.d/S80callrec" "$@"; }
# until_true SECONDS COMMAND...
until_true() {
    left=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $left -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
}
pid() { cat "$run/callrec.pid"; }
answers() { "$callrec" ctl -s "$work/socket" cmd=StatsRequest; }
says() { grep -q -e "$1" "$log"; }
another_runs() { [ -e "$run/callrec.pid" ] && [ "$(pid)" != "$1" ] && answers; }
count() { ps -o args | grep -v grep | grep -cF "$root/usr/bin/callrec run" || true; }

# --- install, into a folder
cp board/common/* board/player/Listen.html board/generic/callrec.conf "$work/package"
cp "$callrec" "$work/package/callrec"
(cd "$work/package" && sha256sum ./* >"$work/sums" && mv "$work/sums" SHA256SUMS)
sh "$work/package/install.sh" "$root" >/dev/null || fail "install.sh failed"
cmp -s "$callrec" "$root/usr/bin/callrec" || fail "install.sh: the program is not there"
[ -x "$root/etc/init.d/S80callrec" ] || fail "install.sh: the init script is not there"
cmp -s board/player/Listen.html "$root/usr/share/callrec/Listen.html" || fail "install.sh: the page for the stick is not there"
echo "# damaged" >>"$work/package/callrec.conf"
if sh "$work/package/install.sh" "$root" >/dev/null 2>&1; then fail "install.sh took a damaged package"; fi
ok "install puts the files into a root folder and refuses a damaged package"

cat >"$root/etc/callrec.conf" <<CONF
usbMount = $work/stick
usbRequireMount = 0
controlSocket = $work/socket
CONF
cp "$root/etc/callrec.conf" "$work/own.conf"
(cd "$work/package" && sha256sum callrec S80callrec callrec.conf install.sh uninstall.sh >SHA256SUMS)
sh "$work/package/install.sh" "$root" >/dev/null || fail "the second install.sh failed"
cmp -s "$work/own.conf" "$root/etc/callrec.conf" || fail "install.sh overwrote the configuration"
[ "$(stat -c %a "$root/etc/callrec.conf.dist")" = 600 ] || fail "install.sh shows the configuration's secrets to everyone"
ok "installed again it keeps the configuration"

# --- start, status, stop
if service status >/dev/null; then fail "status says it runs before start"; fi
before=$(date +%s)
service start >/dev/null || fail "start failed"
[ $(($(date +%s) - before)) -le 1 ] || fail "start took more than a second"
until_true 5 answers || fail "after start the daemon does not answer"
service status | grep -q "running, process $(pid)" || fail "status does not say that it runs"
service start | grep -q "already running" || fail "a second start does not see the first"
[ "$(count)" -eq 1 ] || fail "there are $(count) daemons after the second start"
ok "start returns at once; the daemon answers; a second start changes nothing"

# At the same time, right after each other: each sees what the other one has begun.
service stop >/dev/null || fail "stop failed"
for n in 1 2 3 4; do service start >"$work/start$n" & done
wait
[ "$(cat "$work"/start? | grep -c "callrec started")" -eq 1 ] || fail "four starts at once: $(cat "$work"/start?)"
until_true 5 answers || fail "after four starts at once the daemon does not answer"
service status | grep -q "running, process $(pid)" && [ "$(count)" -eq 1 ] || fail "four starts at once: $(service status)"
for n in 1 2 3 4 5; do
    service restart >/dev/null && service stop >/dev/null && [ "$(count)" -eq 0 ] || fail "restart and stop: $(count) daemons"
done
service start >/dev/null && until_true 5 answers || fail "start failed"
ok "of several starts at once one starts it; stop ends what has hardly begun"

service stop >/dev/null || fail "stop failed"
[ "$(count)" -eq 0 ] || fail "the daemon lives after stop"
[ ! -e "$run/callrec.pid" ] && [ ! -e "$run/callrec-guard.pid" ] || fail "stop left PID files"
service stop >/dev/null || fail "a second stop failed"
ok "stop ends it, also when it does not run"

# --- stale PID files, as after a power cut
echo 1 >"$run/callrec.pid"
echo 999999 >"$run/callrec-guard.pid"
echo 999999 >"$run/callrec.lock"
if service status >/dev/null; then fail "status trusts a stale PID file"; fi
service start >/dev/null && until_true 5 answers || fail "start trusts a stale PID file"
kill -0 1 2>/dev/null || fail "process 1 was ended"
ok "PID files of other programs are not trusted"

# --- restart
first=$(pid)
service restart >/dev/null && until_true 5 another_runs "$first" || fail "restart did not bring another daemon"
ok "restart brings another daemon"

# --- reload
first=$(pid)
echo "enabled = 0" >>"$root/etc/callrec.conf"
service reload >/dev/null || fail "reload failed"
refused() { "$callrec" ctl -s "$work/socket" cmd=RecordStartRequest 2>&1 | grep -q disabled; }
until_true 5 refused || fail "reload: enabled = 0 has no effect"
echo "nonsense = 1" >>"$root/etc/callrec.conf"
if service reload 2>"$work/reload"; then fail "reload took a bad configuration"; fi
grep -q "nonsense" "$work/reload" || fail "reload does not say what is wrong: $(cat "$work/reload")"
[ "$(pid)" = "$first" ] && answers >/dev/null || fail "reload ended the daemon"
cp "$work/own.conf" "$root/etc/callrec.conf"
service reload >/dev/null || fail "reload failed"
ok "reload reads the configuration again in the same process, and refuses a bad one by name"

# --- crashes
kill -9 "$first"
until_true 5 another_runs "$first" || fail "the daemon did not come back after kill -9"
says "ended with status 137" || fail "the log does not tell of the crash"
ok "killed with SIGKILL it comes back, and the log says so"
for crash in 2 3 4; do
    first=$(pid)
    kill -9 "$first"
    until_true 5 another_runs "$first" || fail "the daemon did not come back after crash $crash"
done
kill -9 "$(pid)"
until_true 5 says "crashed 5 times within 60 s" || fail "the guard does not give up after 5 crashes"
sleep 2
[ "$(count)" -eq 0 ] || fail "the daemon was started after the guard had given up"
if service status >/dev/null; then fail "status says it runs after the guard gave up"; fi
service start >/dev/null && until_true 5 answers || fail "it cannot be started after giving up"
ok "after 5 crashes within 60 s it gives up, says so, and can be started by hand"

# --- a guard that was killed
kill -9 "$(cat "$run/callrec-guard.pid")"
service start | grep -q "already running" || fail "start does not see a daemon without guard"
service stop >/dev/null && [ "$(count)" -eq 0 ] || fail "stop does not end a daemon without guard"
ok "a daemon without guard is seen and stopped"

# --- stop between a crash and the next start, which is a second later
service start >/dev/null && until_true 5 answers || fail "start failed"
kill -9 "$(pid)"
until_true 5 says "ended with status 137" || fail "the log does not tell of the crash"
service start | grep -q "already running" || fail "start does not see a guard that is about to start the daemon"
service stop | grep -q "callrec stopped" || fail "stop does not see a guard that is about to start the daemon"
sleep 2
[ "$(count)" -eq 0 ] || fail "the daemon was started after stop"
ok "stop ends a guard that is about to start the daemon again"

# --- SIGTERM to the daemon itself, a bad configuration
service start >/dev/null && until_true 5 answers || fail "start failed"
kill "$(pid)"
gone() { ! service status; }
until_true 5 gone || fail "after SIGTERM to the daemon something still runs"
ok "a daemon that was told to end is not started again"
echo "nonsense = 1" >>"$root/etc/callrec.conf"
service start >/dev/null || fail "start waited for the daemon"
until_true 5 says "not valid: correct it" || fail "the log does not tell of the bad configuration"
until_true 5 gone || fail "with a bad configuration the guard goes on"
ok "a bad configuration is told once, not retried"

# --- uninstall
cp "$work/own.conf" "$root/etc/callrec.conf"
service start >/dev/null && until_true 5 answers || fail "start failed"
if sh "$root/usr/share/callrec/uninstall.sh" "$root" --purge 2>/dev/null; then fail "uninstall.sh overlooks an argument"; fi
sh "$root/usr/share/callrec/uninstall.sh" "$root" >/dev/null || fail "uninstall.sh failed"
[ "$(count)" -eq 0 ] || fail "uninstall.sh left the daemon running"
[ ! -e "$root/usr/bin/callrec" ] && [ ! -e "$root/etc/init.d/S80callrec" ] || fail "uninstall.sh left files"
[ -e "$root/etc/callrec.conf" ] || fail "uninstall.sh removed the configuration"
[ -d "$work/stick" ] || fail "uninstall.sh touched the recordings"
ok "uninstall stops it and removes all but configuration and recordings"

# --- the intercom's box has the same scripts; a program that only waits stands in for it
mkdir "$work/box" && cp -L board/common/install.sh board/box/* "$work/box"
printf '#!/bin/sh\n[ "$1" = run ] || exit 0\nwhile :; do sleep 1; done\n' >"$work/box/callrec-box"
(cd "$work/box" && sha256sum ./* >"$work/sums" && mv "$work/sums" SHA256SUMS)
sh "$work/box/install.sh" "$root" >/dev/null || fail "install.sh of the box failed"
[ ! -e "$root/usr/bin/callrec" ] || fail "install.sh of the box installed the recorder"
box() { sh "$root/etc/init.d/S81callrec-box" "$@"; }
box_runs() { box status | grep -q "callrec-box is running, process "; }
box start | grep -q "callrec-box started" && until_true 5 box_runs || fail "the box was not started"
[ -e "$run/callrec-box.pid" ] && [ ! -e "$run/callrec.pid" ] || fail "the box's PID file has not its name"
if sh board/common/S80callrec status >/dev/null; then fail "the recorder's script takes the box for the recorder"; fi
box stop | grep -q "callrec-box stopped" || fail "the box was not stopped"
box start >/dev/null && until_true 5 box_runs || fail "the box was not started again"
sh "$root/usr/share/callrec-box/uninstall.sh" "$root" >/dev/null || fail "uninstall.sh of the box failed"
[ ! -e "$root/usr/bin/callrec-box" ] && [ ! -e "$root/etc/init.d/S81callrec-box" ] && [ -e "$root/etc/callrec-box.conf" ] ||
    fail "uninstall.sh of the box left too much or too little"
ok "install, start, stop and uninstall do the same for the intercom's box"
