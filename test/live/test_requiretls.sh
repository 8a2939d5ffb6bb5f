#!/bin/sh
# test_requiretls.sh - REQUIRETLS and TLS-Required: No (RFC 8689) between a client, the gateway and its next
# hops: a second gateway, Postfix (which does not know the word), hops of requiretls_hop.py, and somebody on
# the line (T-42, T-43). At most 1 minute; needs root. What RFC 8689 says, and where it is tested:
#
#   2      valid in sessions under TLS only             offered; t43_requiretls.wire; test_config.c
#   2      MX by DNSSEC or MTA-STS; chain and name, or DANE
#                                                       test_decide_host.c; here hosts are configured: certificates
#   3      one field, one value                         test_header.c; fields
#   4.1    tagged, kept, and REQUIRETLS wins            onward, restart, fields
#   4.2.1  every MX; QUIT; no word, no mail; 5.7.30, 5.7.10
#                                                       refused, other_host; test_decide.c
#   4.2.2  TLS-Required: No: TLS is tried, and its failure is none
#                                                       fields, pool; test_decide_host.c
#   4.4    local delivery                               several; test_smtpc.c
#   5      notifications: REQUIRETLS, RET=HDRS; not lost for the word alone; never in clear
#                                                       notices; test_dsn.c, test_smtpc.c
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
# shellcheck source=test/live/mta.sh
. test/live/mta.sh
mta_begin requiretls
HOP_PROGRAM=requiretls_hop.py

: >"$DIR/hop_routes"
partner() { # NAME BEHAVIOUR CERTIFICATE
    mta_port
    hop_add "$1.hop.example" 127.0.0.1 "$MTA_TAKEN" "$2" "$3"
    eval "port_$1=$MTA_TAKEN"
    echo "route \"$1.example\" { smtp = \"$1.hop.example:$MTA_TAKEN\" }" >>"$DIR/hop_routes"
}
partner word keyword good
partner bare honest good
partner clear honest -
partner early early good
partner unknown keyword unknown
partner misnamed keyword other-host
partner pool keyword good
partner late late good
partner home keyword good   # where notifications go: with the word, without it, without TLS
partner wordless honest good
partner open honest -
mta_port
port_line=$MTA_TAKEN
mta_port
port_far=$MTA_TAKEN
{
    echo "line.hop.example 127.0.0.1"
    echo "far.hop.example 127.0.0.1"
    echo "pf.hop.example 127.0.0.1"
} >>"$HOPS/names"
# shellcheck disable=SC2154
echo "line $port_line $port_word strip" >"$DIR/middles"
hop_unbound

have_postfix=no
port_pf=9
if peers_fetch postfix >"$DIR/fetch.out" 2>&1; then
    mta_port
    port_pf=$MTA_TAKEN
    if postfix_maildir_start "$DIR/pf" 127.0.0.1 "$port_pf" pf.example "$HOPS/ca/good.pem" "$HOPS/ca/good.key" \
        "maillog_file = $DIR/pf/maillog" "maillog_file_prefixes = $DIR"; then
        mta_started postfix_stop
        have_postfix=yes
    else
        fail "Postfix starts"
    fi
else
    skip "T-43: Postfix" "it cannot be fetched"
fi

live_config far "$port_far" <<END
workers = 1
certificate { chain = "$HOPS/ca/good.pem", key = "$HOPS/ca/good.key" }
domain "far.example" { maildir = "$DIR/mail/far" }
END
# shellcheck disable=SC2154 # set by eval
live_config edge "$MTA_PORT" <<END
networks = ["127.0.0.1/32"]
workers = 1
$(live_certificate edge | sed "s|^tls .*|tls { ca = \"$HOPS/ca/ca.pem\" }|")
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 1s, warn = 0s, give_up = 5s, bounce_give_up = 5s }
sessions { dead_first = 1s, dead_max = 1s }
limits { out_idle = 5s, connection_rate = 60000, message_rate = 60000 }
domain "box.example" { maildir = "$DIR/mail/box" }
$(cat "$DIR/hop_routes")
route "far.example" { smtp = "far.hop.example:$port_far" }
route "line.example" { smtp = "line.hop.example:$port_line" }
route "pf.example" { smtp = "pf.hop.example:$port_pf" }
route "two.example" { smtp = ["bare.hop.example:$port_bare", "word.hop.example:$port_word"] }
route "forced.example" { smtp = "clear.hop.example:$port_clear", tls = encrypt }
# a contract that TLS-Required: No can change: DANE is obeyed
organisation "town" {
    domain "town.example" { maildir = "$DIR/mail/town" }
    inbound "servers" { kind = on-premises, mode = enforce, addresses = "127.0.0.10" }
    outbound "pool" { kind = partner, mode = enforce, to = "pool.example", smtp = "pool.hop.example:$port_pool",
                      tls = opportunistic, dane = opportunistic }
}
END

middles_ready() {
    [ -e "$DIR/middles.ready" ]
}
"$LIVE_PYTHON" "$PYTHONPATH/middle.py" "$DIR" 2>"$DIR/middle.err" &
echo $! >"$DIR/middle.pid"
if ! hop_start || ! live_wait 10 middles_ready || ! live_start far || ! live_start edge; then
    fail "all servers start"
    live_end
fi

export POSTERN="$BIN/postern"
part() {
    live_run "$LIVE_PYTHON" test/live/requiretls.py "$1" "$DIR" "$MTA_PORT" "$have_postfix"
}
again() {
    live_stop edge
    live_start edge || fail "the gateway starts again"
}
part first
sed -i 's/give_up = 5s/give_up = 300s/g' "$DIR/edge.conf" # what waits now waits until it is looked at
again
part queued
: >"$HOPS/late"
again
part restarted
live_end
