#!/bin/sh
# swap.sh - how long a client waits while a configuration of many connectors is swapped by a reload,
# how long that takes, and what memory a connector costs a worker.
#
#     bench/swap.sh [CONNECTORS [RELOADS]]      100000 connectors, ten to an organisation, 5 reloads
#
# One worker; the client of bench/pause.c asks one question after the other. First nothing happens,
# then the configuration is reloaded again and again. What the machine itself keeps a program waiting
# is measured beside it (late_ms), both times. Root; needs jq. BENCH_TOOLS as for run.sh, BENCH_POSTERN
# the folder of the posternd that is measured.
# shellcheck source-path=SCRIPTDIR/..
set -u
cd "$(dirname "$0")/.." || exit 2
: "${BENCH_TOOLS:=$PWD/build/release-gcc}"
: "${BENCH_POSTERN:=$BENCH_TOOLS}"
CONNECTORS=${1:-100000} RELOADS=${2:-5}
WORK=$PWD/build/bench/swap
PORT=4727
USER_ID=61217

. test/live/peers.sh

PID=
# shellcheck disable=SC2317 # the trap calls it
finish() {
    [ -z "$PID" ] || peers_stop "$PID" 30
    [ -n "${KEEP:-}" ] || rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 2' HUP INT PIPE TERM

# organisations FROM TO: three servers of its own and seven partners each, half of them going out
organisations() {
    awk -v from="$1" -v to="$2" -v mail="$WORK/mail" '
        BEGIN {
            for (o = from; o < to; o++) {
                printf "organisation \"firm%d\" {\n", o
                printf "  domain \"firm%d.example\" { maildir = \"%s/{local}\" }\n", o, mail
                own = "kind = on-premises, mode = enforce"
                printf "  inbound \"name\" { %s, certificate_names = \"mail.firm%d.example\" }\n", own, o
                printf "  inbound \"key\" { %s, public_keys = \"%064x\" }\n", own, o + 1
                printf "  inbound \"net\" { %s, addresses = \"10.%d.%d.0/28\" }\n", own, o / 256, o % 256
                partner = "kind = partner, mode = enforce"
                for (i = 0; i < 4; i++)
                    printf "  inbound \"in%d\" { %s, from = \"p%d-%d.example\", " \
                        "certificate_names = \"mx.p%d-%d.example\", require_tls = yes, " \
                        "restrict_to_certificate = yes }\n", i, partner, o, i, o, i
                for (i = 0; i < 3; i++)
                    printf "  outbound \"out%d\" { %s, to = \"p%d-%d.example\", mx = yes, tls = domain, " \
                        "names = \"mx.p%d-%d.example\" }\n", i, partner, o, i, o, i
                print "}"
            }
        }'
}

configure() {
    cat <<EOF2
hostname = "postern.bench.example"
data = "$WORK/data"
run = "$WORK/run"
user = "$USER_ID"
workers = 1
listen "127.0.0.1:$PORT" { tls = off }
limits { connection_rate = 60000, idle_commands = 100000 }
include "orgs/*.conf"
EOF2
}

worker_rss_kb() {
    worker_pid=
    for child in $(cat "/proc/$PID/task/$PID/children"); do
        if tr '\0' ' ' <"/proc/$child/cmdline" | grep -q -- --worker; then worker_pid=$child; fi
    done
    awk '$1 == "Pss:" { print $2 }' "/proc/$worker_pid/smaps_rollup"
}

reloaded() {
    grep -c 'config.reloaded' "$WORK/log"
}

# reload_all: as many reloads as asked for, one after the other; seconds of each, on stdout
reload_all() {
    reload_i=0
    while [ "$reload_i" -lt "$RELOADS" ]; do
        reload_i=$((reload_i + 1))
        reload_seen=$(reloaded)
        reload_start=$(date +%s%N)
        kill -HUP "$PID"
        reload_tries=3000
        while [ "$(reloaded)" -eq "$reload_seen" ] && [ $reload_tries -gt 0 ]; do
            reload_tries=$((reload_tries - 1))
            sleep 0.01
        done
        [ $reload_tries -gt 0 ] || peers_say "a reload has not come to its end"
        echo "$reload_start $(date +%s%N)" | awk '{ printf "%.2f\n", ($2 - $1) / 1e9 }'
        sleep 0.3 # the old one is freed
    done
}

ask() { # SECONDS
    "$BENCH_TOOLS/bench-pause" --to 127.0.0.1:$PORT --seconds "$1"
}

command -v jq >/dev/null || { peers_say "jq is needed"; exit 2; }
make -s V=release O="${BENCH_TOOLS#"$PWD/"}" all bench-tools >&2 || exit 2
rm -rf "$WORK"
mkdir -p "$WORK/orgs" "$WORK/mail"
chown $USER_ID "$WORK/mail"
orgs=$((CONNECTORS / 10)) at=0
while [ $at -lt $orgs ]; do # a file has 200,000 settings at most
    organisations $at $((at + 500 < orgs ? at + 500 : orgs)) >"$WORK/orgs/$(printf %06d $at).conf"
    at=$((at + 500))
done
configure >"$WORK/postern.conf"
if ! "$BENCH_POSTERN/postern" config check "$WORK/postern.conf" >"$WORK/check" 2>&1; then
    head -n 3 "$WORK/check"
    exit 1
fi
peers_spawn "$WORK/log" "$BENCH_POSTERN/posternd" -c "$WORK/postern.conf"
PID=$PEER_PID
peers_wait_port 127.0.0.1 $PORT 30 "$WORK/log" || exit 1
ask 1 >/dev/null # the worker answers

rss=$(worker_rss_kb)
ask 5 >"$WORK/quiet"
reload_all >"$WORK/took" &
reloading=$!
ask $((RELOADS * 3)) >"$WORK/swap"
wait $reloading
sleep 1 # what the client held is freed
jq -n --argjson connectors "$CONNECTORS" --argjson rss "$rss" --argjson later "$(worker_rss_kb)" \
    --slurpfile quiet "$WORK/quiet" --slurpfile swap "$WORK/swap" --slurpfile took "$WORK/took" \
    '{ $connectors, worker_pss_kb: $rss, after_reloads_kb: $later, reload_s: $took,
       quiet: $quiet[0], reloading: $swap[0] }'
uptime
