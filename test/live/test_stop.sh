#!/bin/sh
# test_stop.sh - a gateway that is asked to end while clients send as fast as they can: it ends within
# seconds, again and again, and whatever it answered 250 to has arrived once at last (T-56). At most 2
# minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
live_begin stop

hop_begin
hop_certs "DNS:*.hop.example"
live_ca edge.example
# shellcheck disable=SC2046
set -- $(live_ports 2)
hop_add up.hop.example 127.0.10.1 "$2"
hop_unbound
{
    live_certificate edge
    cat <<END
workers = 2
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 1s }
sessions { dead_first = 1s, dead_max = 1s }
route "*" { smtp = ["up.hop.example:$2"] }
END
} | live_config edge "$1"

if hop_start; then
    for round in 1 2 3 4 5 6 7 8; do
        live_start edge >"$DIR/start.out" || { fail "it starts in round $round"; break; }
        "$LIVE_PYTHON" test/live/stop.py load "$DIR" "$1" $round >>"$DIR/taken" 2>"$DIR/load.err" &
        load=$!
        sleep "0.$((round * 9 % 10))"
        began=$(date +%s%N)
        live_stop edge
        took=$((($(date +%s%N) - began) / 1000000))
        wait "$load"
        check "it ends within 5 s in round $round ($took ms)" test "$took" -lt 5000
    done
    check "it starts at last" live_start edge
    live_run "$LIVE_PYTHON" test/live/stop.py judge "$DIR" "$1" 0
else
    fail "the next hop starts"
fi
live_end
