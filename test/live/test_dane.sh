#!/bin/sh
# test_dane.sh - DANE (RFC 7672) with signed zones of nsd, libunbound and real handshakes: TLSA records that
# match, do not match, cannot be used, are forged or not secure; hosts without STARTTLS; names and dates; one
# good host beside a bad one. That nothing is said in clear is read off the bytes (R21, T-04, T-30, T-32).
# At most 1 minute; needs root to install nsd.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
live_begin dane
peers_fetch nsd >"$DIR/fetch.out" 2>&1 || live_skip "nsd cannot be installed"
peers_need ldns-signzone ldnsutils >"$DIR/fetch.out" 2>&1 || live_skip "ldnsutils cannot be installed"

live_undo() {
    peers_stop "${NSD:-}"
}

hop_begin
hop_certs "DNS:*.dane.example"
for cert in good other-host expired; do # with their root, as DANE-TA wants it
    cat "$HOPS/ca/$cert.pem" "$HOPS/ca/ca.pem" >"$HOPS/ca/ta-$cert.pem"
    cp "$HOPS/ca/$cert.key" "$HOPS/ca/ta-$cert.key"
done
chmod 644 "$HOPS"/ca/*.key
# shellcheck disable=SC2046
set -- $(live_ports 2)
port=$1 dns_port=$2

# spki CERT, whole CERT: SHA-256 as TLSA has it
spki() {
    openssl x509 -in "$HOPS/ca/$1.pem" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c 1-64
}
whole() {
    openssl x509 -in "$HOPS/ca/$1.pem" -outform DER | sha256sum | cut -c 1-64
}
junk=$(printf 'nobody' | sha256sum | cut -c 1-64)

soa='@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 127.0.0.1'
n=1
: >"$DIR/cases"
# host ZONE NAME BEHAVIOUR CERT TLSA...: a next hop, its address and its records into the zone
host() {
    n=$((n + 1))
    hop_add "$2.$1" "127.0.9.$n" "$port" "$3" "$4"
    host_zone=$1 host_name=$2
    echo "$2 A 127.0.9.$n" >>"$DIR/$1"
    shift 4
    for record; do
        echo "_$port._tcp.$host_name TLSA $record" >>"$DIR/$host_zone"
    done
}
# case_of NAME WANT BEHAVIOUR CERT TLSA...: a domain of the signed zone with one host; WANT as in dane.py
case_of() {
    echo "$1.dane.example $2 mx-$1.dane.example" >>"$DIR/cases"
    case_name=$1
    echo "$1 MX 10 mx-$1" >>"$DIR/dane.example"
    shift 2
    host dane.example "mx-$case_name" "$@"
}
for zone in dane.example forged.example open.example; do
    printf '%s\n' "\$ORIGIN $zone." "\$TTL 60" "$soa" >"$DIR/$zone"
done

case_of ee tls honest self-signed "3 1 1 $(spki self-signed)"
case_of ee-whole tls honest self-signed "3 0 1 $(whole self-signed)"
case_of ee-expired tls honest expired "3 1 1 $(spki expired)"
case_of ee-name tls honest other-host "3 1 1 $(spki other-host)"
case_of ee-two tls honest good "3 1 1 $junk" "3 1 1 $(spki good)"
case_of ee-wrong 4.7.323 honest good "3 1 1 $junk"
case_of agile 4.7.323 honest good "3 1 1 $(spki good)" "3 1 2 $junk$junk"
case_of ta tls honest ta-good "2 1 1 $(spki ca)"
case_of ta-whole tls honest ta-good "2 0 1 $(whole ca)"
case_of ta-name 4.7.325 honest ta-other-host "2 1 1 $(spki ca)"
case_of ta-expired 4.7.322 honest ta-expired "2 1 1 $(spki ca)"
case_of ta-wrong 4.7.323 honest ta-good "2 1 1 $(spki root2)"
case_of ta-leaf 4.7.323 honest good "2 1 1 $(spki good)"
case_of ta-unsent 4.7.323 honest good "2 1 1 $(spki ca)"
case_of pkix tls honest self-signed "1 1 1 $junk" "0 0 1 $junk"
case_of odd tls honest self-signed "3 9 1 $junk" "3 1 9 $junk" "3 1 1 abcd"
case_of pkix-plain 4.7.321 honest - "1 1 1 $junk"
case_of plain 4.7.321 honest - "3 1 1 $junk"
case_of stripped 4.7.321 stripped good "3 1 1 $(spki good)"
case_of no-handshake 4.7.321 starttls-220-close good "3 1 1 $(spki good)"
case_of refused 4.7.321 starttls-454 good "3 1 1 $(spki good)"
case_of none clear honest -
case_of none-self tls honest self-signed
{
    # one bad host does not block the domain
    echo "mixed MX 10 mx-ee-wrong"
    echo "mixed MX 20 mx-ee"
    # the records are those of the name that a secure CNAME leads to
    echo "alias MX 10 alias-host"
    echo "alias-host CNAME mx-ee"
    # whoever is not in a signed zone cannot have records
    echo "outside MX 10 mx.open.example."
    echo "half MX 10 mx.forged.example."
    echo "half MX 20 mx-ee"
    echo "forged MX 10 mx.forged.example."
} >>"$DIR/dane.example"
cat >>"$DIR/cases" <<END
mixed.dane.example tls mx-ee.dane.example
alias.dane.example tls mx-ee.dane.example
outside.dane.example tls mx.open.example
half.dane.example tls mx-ee.dane.example
forged.dane.example 4.7.324 mx.forged.example
open.example tls mx.open.example
must.dane.example 4.7.323 mx-must.dane.example
END
echo "must MX 10 mx-must" >>"$DIR/dane.example"
host dane.example mx-must honest good
echo "@ MX 10 mx" >>"$DIR/open.example"
host open.example mx honest good "3 1 1 $junk"
host forged.example mx honest good "3 1 1 $junk"
for zone in dane.example forged.example; do
    zone_sign "$DIR/keys" $zone "$DIR/$zone" >"$DIR/sign.out" 2>&1
done
# A record that was changed after it was signed.
sed -i "s/TLSA\(.*\)${junk%????}..../TLSA\1${junk%????}0000/" "$DIR/forged.example.signed"
cat "$DIR/keys/dane.example.ds" "$DIR/keys/forged.example.ds" >"$DIR/anchors"
cat >"$DIR/unbound.conf" <<END
server:
  do-not-query-localhost: no
  local-zone: "edge.example." static
  local-data: "edge.example. 60 IN A 127.0.0.1"
END
live_mail_folder
{
    cat <<END
tls { ca = "$HOPS/ca/ca.pem" }
dns { resolver = "127.0.0.1@$dns_port", trust_anchor = "$DIR/anchors", unbound_config = "$DIR/unbound.conf",
    timeout = 5s, probe = "dane.example" }
out { port = $port }
retry { first = 2s, max = 2s, dane_first = 2s, dane_max = 2s, warn = 0s, give_up = 2m }
sessions { dead_first = 1s, dead_max = 1s }
limits { out_idle = 0s, connection_rate = 60000, message_rate = 60000 }
organisation "clinic" {
    domain "clinic.example" { maildir = "$DIR/mail/clinic" }
    outbound "must" { kind = partner, mode = enforce, to = "must.dane.example", mx = yes, dane = mandatory }
}
domain "example.net" { maildir = "$DIR/mail/bounces" }
END
} | live_config edge "$port"

if nsd_start "$DIR/nsd" 127.0.0.1 "$dns_port" dane.example "$DIR/dane.example.signed" \
    forged.example "$DIR/forged.example.signed" open.example "$DIR/open.example" &&
    NSD=$PEER_PID && hop_start && live_start edge; then
    live_run "$LIVE_PYTHON" test/live/dane.py "$DIR" "$port"
else
    fail "nsd, the next hops and the gateway start"
fi
live_end
