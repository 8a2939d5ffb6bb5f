#!/bin/sh
# test_crash.sh - kill -9 of workers and supervisors of two hops, 200 times, at random moments under
# load (T-56). Afterwards every accepted message is in a mailbox or was returned to its sender; what
# came twice is counted. At most 6 minutes, 4 of them under fire. SEED, KILLS, FIRE_SECONDS.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin crash

live_ca edge.example inside.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 2)

# Retries after a second, so that calm comes soon; four sessions at most, so that the number of
# transactions that a kill can interrupt is known.
pace='workers = 2
retry { first = "1s", max = "2s", give_up = "10m" }
sessions { initial = 2, max = 4, dead_first = "1s", dead_max = "1s" }
limits { connection_rate = 60000, connections_per_address = 1000 }'
{
    echo "$pace"
    live_certificate edge
    echo "route \"*\" { smtp = [\"127.0.0.1:$2\"] }"
} | live_config edge "$1"
{
    echo "$pace"
    echo 'networks = ["192.0.2.0/24"]' # edge is no friend: other domains are refused, and bounce
    live_certificate inside
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
    echo "domain \"example.net\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config inside "$2"

live_run "$LIVE_PYTHON" test/live/crash.py "$BIN/posternd" "$DIR" "$1" "$2" "${SEED:-0}" "${KILLS:-200}" \
    "${FIRE_SECONDS:-240}"
live_end
