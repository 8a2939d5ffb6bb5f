#!/bin/sh
# test_queue.sh - the queue as its operator and as senders see it: list, show, hold, release, retry, drop,
# reroute, trace, status and metrics; greylisting, the schedule of attempts, notices of delay and
# failure; and three workers' shards that are one queue and outlive two of the workers. At most 2
# minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
live_begin queue
[ -x "$BIN/postern" ] || live_skip "no $BIN/postern"

hop_begin
hop_certs "DNS:*.hop.example"
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 4)
edge=$1 fast=$2 hop_port=$3 metrics=$4
hop_add up.hop.example 127.0.9.1 "$hop_port"
hop_add down.hop.example 127.0.9.2 "$hop_port" mail-451
hop_add grey.hop.example 127.0.9.3 "$hop_port" greylist
hop_add no.hop.example 127.0.9.4 "$hop_port" rcpt-550
hop_unbound
both() {
    cat <<END
tls { ca = "$HOPS/ca/ca.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
sessions { dead_first = 1s, dead_max = 1s }
route "down.example" { smtp = ["down.hop.example:$hop_port"] }
route "grey.example" { smtp = ["grey.hop.example:$hop_port"] }
route "no.example" { smtp = ["no.hop.example:$hop_port"] }
route "gone.example" { smtp = ["127.0.9.9:$hop_port"] }
domain "example.net" { maildir = "$DIR/mail/{local}" }
END
}
{
    echo "workers = 3"
    echo "metrics = \"127.0.0.1:$metrics\""
    echo "retry { first = 1h, max = 2h }"
    both
} | live_config edge "$edge"
{
    echo "workers = 1"
    echo "retry { first = 1s, max = 4s, warn = 3s, give_up = 9s, bounce_give_up = 4s }"
    both
} | live_config fast "$fast"

if hop_start && live_start edge && live_start fast; then
    live_run "$LIVE_PYTHON" test/live/queue_senders.py "$DIR" "$fast"
    live_run "$LIVE_PYTHON" test/live/queue_operator.py "$DIR" "$edge" "$BIN/postern" "$hop_port" "$metrics" first
    "$BIN/posternd" -c "$DIR/edge.conf" >"$DIR/second.out" 2>&1 &
    second=$!
    check "a second daemon over the same folders ends" live_wait 10 live_gone "$second"
    wait "$second"
    check "it ends with 78, which asks for no restart" test $? = 78
    check "it says why" grep -q "another posternd runs" "$DIR/second.out"
    check "the first one still answers" "$BIN/postern" -c "$DIR/edge.conf" status
    before=$("$BIN/postern" -c "$DIR/edge.conf" queue list --json -n 1000 | grep -c '"to":')
    live_stop edge
    sed -i 's/^workers = 3/workers = 1/' "$DIR/edge.conf"
    check "it starts with one worker instead of three" live_start edge
    live_run "$LIVE_PYTHON" test/live/queue_operator.py "$DIR" "$edge" "$BIN/postern" "$hop_port" "$metrics" \
        second "$before"
    live_stop edge
    live_run "$LIVE_PYTHON" test/live/queue_operator.py "$DIR" "$edge" "$BIN/postern" "$hop_port" "$metrics" stopped
else
    fail "the gateways and their next hops start"
fi
live_end
