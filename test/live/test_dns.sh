#!/bin/sh
# test_dns.sh - real zones of nsd, asked through libunbound: the order of MX hosts, implicit and null MX,
# names that do not exist, lookups that fail, dead addresses and hosts, loops, CNAME, DNSSEC. At most
# 2 minutes; needs root to install nsd.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
live_begin dns
peers_fetch nsd >"$DIR/fetch.out" 2>&1 || live_skip "nsd cannot be installed"
peers_need ldns-signzone ldnsutils >"$DIR/fetch.out" 2>&1 || live_skip "ldnsutils cannot be installed"

live_undo() {
    peers_stop "${NSD:-}"
}

hop_begin
hop_certs "DNS:*.dns.example"
# shellcheck disable=SC2046
set -- $(live_ports 3)
port=$1 dns_port=$2 silent_port=$3

hosts="one two three even-a even-b implicit alive raced target literal"
n=1
for host in $hosts; do
    n=$((n + 1))
    hop_add "$host.dns.example" "127.0.8.$n" "$port"
done
hop_add safe.secure.example 127.0.8.40 "$port"
hop_add forged.bogus.example 127.0.8.41 "$port"
literal=127.0.8.$n

soa='@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 127.0.0.1'
{
    printf '%s\n' "\$ORIGIN dns.example." "\$TTL 60" "$soa"
    while read -r name address; do
        case $name in
        *.dns.example) echo "${name%.dns.example} A $address" ;;
        esac
    done <"$HOPS/names"
    cat <<END
order MX 30 three
order MX 10 one
order MX 20 two
even MX 10 even-a
even MX 10 even-b
null MX 0 .
no-host MX 10 nothing-here
no-address MX 10 text-only
text-only TXT "no address"
half MX 10 dead
half MX 20 alive
dead A 127.0.8.250
race MX 10 raced-host
raced-host AAAA ::1
raced-host A $(awk '$1 == "raced.dns.example" { print $2 }' "$HOPS/names")
loop MX 10 edge.example.
loop MX 20 one
loop-address MX 10 self
self A 127.0.0.1
backup MX 10 one
backup MX 20 edge.example.
backup MX 30 two
alias-mx MX 10 alias
alias CNAME target
alias-domain CNAME order
half-known MX 10 host.broken.example.
half-known MX 20 alive
unknown-host MX 10 host.broken.example.
null-beside MX 0 .
null-beside MX 10 alive
END
} >"$DIR/dns.example"
for zone in secure bogus; do
    host=safe
    [ $zone = bogus ] && host=forged
    printf '%s\n' "\$ORIGIN $zone.example." "\$TTL 60" "$soa" "@ MX 10 $host" \
        "$host A $(awk -v z="$host.$zone.example" '$1 == z { print $2 }' "$HOPS/names")" \
        "half MX 10 one.dns.example." >"$DIR/$zone.example"
    zone_sign "$DIR/keys" $zone.example "$DIR/$zone.example" >"$DIR/sign.out" 2>&1
done
# The address was changed after it was signed.
sed -i 's/127\.0\.8\.41/127.0.8.42/' "$DIR/bogus.example.signed"
cat "$DIR/keys/secure.example.ds" "$DIR/keys/bogus.example.ds" >"$DIR/anchors"
echo "this is no zone" >"$DIR/broken.example"
cat >"$DIR/unbound.conf" <<END
server:
  do-not-query-localhost: no
  local-zone: "edge.example." static
  local-data: "edge.example. 60 IN A 127.0.0.1"
forward-zone:
  name: "silent.example."
  forward-addr: 127.0.0.1@$silent_port
END
live_mail_folder
{
    cat <<END
workers = 2
tls { ca = "$HOPS/ca/ca.pem" }
dns { resolver = "127.0.0.1@$dns_port", trust_anchor = "$DIR/anchors", unbound_config = "$DIR/unbound.conf",
    timeout = 2s, probe = "secure.example" }
out { port = $port }
retry { first = 1s, max = 2s, warn = 0s, give_up = 1m }
sessions { dead_first = 1s, dead_max = 1s }
limits { out_idle = 0s, out_connect = 5s }
domain "example.net" { maildir = "$DIR/mail/bounces" }
END
} | live_config edge "$port"

if nsd_start "$DIR/nsd" 127.0.0.1 "$dns_port" dns.example "$DIR/dns.example" \
    secure.example "$DIR/secure.example.signed" bogus.example "$DIR/bogus.example.signed" \
    broken.example "$DIR/broken.example" && NSD=$PEER_PID && hop_start && live_start edge; then
    live_run "$LIVE_PYTHON" test/live/mx.py "$DIR" "$port" "$silent_port" "$literal" "$BIN/postern"
else
    fail "nsd, the next hops and the gateway start"
fi
live_end
