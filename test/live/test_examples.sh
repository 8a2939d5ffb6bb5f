#!/bin/sh
# test_examples.sh - docs/examples.md as it stands there: each configuration against clients or servers that
# comply, and those that do not (R21, R22, R24, R27). All of the page is run; a block that is not is a failure.
# Clients are Python's ssl and openssl s_client. At most 1 minute; needs root.
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
# shellcheck source=test/live/connectors.sh
. test/live/connectors.sh
mta_begin examples
HOP_PROGRAM=partner_hop.py
PAGE=docs/examples.md

bank=DNS:mx.bank.example own=DNS:mail.hospital.example
servers=$bank,DNS:mail.hospital.internal
pki_begin &&
    pki_leaf public edge DNS:edge.example &&
    pki_leaf public bank "$bank" && pki_leaf public other DNS:mx.other.example &&
    pki_leaf public bank-expired "$bank" "" -1 && pki_leaf nobody bank-unknown "$bank" &&
    pki_self bank-self "$bank" && pki_self bank-3 DNS:mx3.bank.example &&
    pki_leaf public-2 bank-leaf "$bank" &&
    pki_leaf public bank-1 DNS:mx1.bank.example && pki_leaf public bank-2 DNS:mx2.bank.example &&
    pki_leaf public own "$own" && pki_leaf public own-expired "$own" "" -1 && pki_leaf nobody own-unknown "$own" &&
    hop_issue ca both "$servers" 30 && hop_issue ca stale "$servers" -1 && hop_issue root2 stranger "$servers" 30 ||
    { fail "the certificates are made"; live_end; }
cat "$PKI/bank-leaf.pem" "$PKI/public-2.pem" >"$PKI/bank-chain.pem"
cp "$PKI/bank-leaf.key" "$PKI/bank-chain.key"
cat "$HOPS/ca/ca.pem" "$PKI/public.pem" >"$DIR/trusted.pem"

# --- the servers at the other end of what goes out: name, behaviour, certificate

server() {
    mta_port
    hop_add "$1.hop.example" 127.0.0.1 "$MTA_TAKEN" "$2" "$3"
    echo "$1 $MTA_TAKEN" >>"$DIR/servers"
}
: >"$DIR/servers"
server good honest both
server other-host honest other-host
server self-signed honest self-signed
server unknown honest stranger
server expired honest stale
server plain honest -
server stripped stripped both
server old-tls old-tls both
server far honest good
far=$MTA_TAKEN
printf '%s\n' "mx.bank.example 127.0.0.1" "mail.hospital.internal 127.0.0.1" >>"$HOPS/names"
hop_unbound

# --- the gateway, with one block after the other

# block NAME: of the page, with our addresses, files and the port of the server $2
block() {
    awk -v "word=$1" '/^```/ && inside { exit } inside { print } /^```/ { inside = $2 == word }' "$PAGE" |
        sed -e 's|198\.51\.100\.0/24|127.0.21.0/24|; s|203\.0\.113\.0/24|127.0.22.0/24|; s|192\.0\.2\.0/28|127.0.23.0/28|' \
            -e "s|/var/mail/|$DIR/mail/|; s|7a0e1f3c[0-9a-f]*|$(pki_pin bank-3)|" |
        case $1 in
        to-*) sed "s|smtp = \"\([a-z.]*\)\"|smtp = \"\1:$2\"|" ;;
        *) sed "s|smtp = \"mail.hospital.internal\"|maildir = \"$DIR/mail/{domain}/{local}\"|" ;;
        esac
}

gateway() { # NAME PORT
    {
        cat <<END
networks = ["127.0.23.200"]
workers = 1
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { ca = "$DIR/trusted.pem", client_ca = "$PKI/public.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 1s, warn = 0s, give_up = 2s, bounce_give_up = 5s }
sessions { dead_first = 1s, dead_max = 1s }
limits { out_idle = 0s, out_handshake = 3s, connection_rate = 60000, message_rate = 60000 }
domain "outside.example" { maildir = "$DIR/mail/{domain}/{local}" }
route "*" { smtp = "far.hop.example:$far" }
END
        block "$1" "$2"
    } | live_config edge "$MTA_PORT"
}

reloads() {
    grep -a -c config.reloaded "$DIR/edge.log"
}

reloaded_more_than() {
    [ "$(reloads)" -gt "$1" ]
}

# use NAME PORT: the gateway has this block now
use() {
    gateway "$1" "$2"
    use_seen=$(reloads)
    kill -HUP "$(live_pid edge)"
    live_wait 10 reloaded_more_than "$use_seen" && return 0
    fail "docs/examples.md: $1 is taken" "$(grep -a config.refused "$DIR/edge.log" | tail -n 1)"
    return 1
}

example() { # NAME [BYTES SERVER]: what that server has heard in clear so far
    live_run "$LIVE_PYTHON" test/live/examples.py "$1" "$DIR" "$MTA_PORT" "${2:-0}" ${3:+"$3"}
}

gateway partner-tls 9
hop_start && live_start edge || { fail "all servers start"; live_end; }
: >"$DIR/run-blocks"
for name in partner-tls partner-certificate partner-addresses service-only partner-addresses-tls from-own-server \
    from-partner; do
    use $name 9 && example $name && echo $name >>"$DIR/run-blocks"
done
for name in to-own-server to-partner; do # the good server first: what waits may meet the next one
    while read -r server port; do
        [ "$server" != far ] || continue
        heard=$(cat "$HOPS/clear/$server.hop.example" 2>/dev/null | wc -c)
        use $name "$port" && example $name "$heard" "$server"
    done <"$DIR/servers"
    example $name 0 returned
    echo $name >>"$DIR/run-blocks"
done
sort "$DIR/run-blocks" >"$DIR/blocks.run"
awk '/^```postern / { print $2 }' "$PAGE" | sort >"$DIR/blocks.page"
check "docs/examples.md: all of it was run" cmp "$DIR/blocks.run" "$DIR/blocks.page"

# The names of cases in the table of test/live/README.md are those of the scripts.
cases_are_there() {
    cases_files="test/live/test_connectors.sh test/live/test_connectors_out.sh test/live/connectors.py
        test/live/connectors_out.py test/live/connectors.sh"
    awk -F'|' '/^\| the peer/ { on = 1 } /^$/ { on = 0 } on' test/live/README.md | grep -o '`[^`]*`' | tr -d '`' | sort -u |
        while read -r case_name; do
            # shellcheck disable=SC2086 # a list
            grep -qF -- "$case_name" $cases_files || { echo "no script has $case_name"; return 1; }
        done
}
check "test/live/README.md: the cases of its table are those of the scripts" cases_are_there
live_end
