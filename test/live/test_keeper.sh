#!/bin/sh
# test_keeper.sh - private keys are with the keeper alone: no byte of one is in a worker's memory, the keeper
# has no network and no files, and when it dies or hangs mail waits and nothing else happens (R29, T-27).
# At most 1 minute; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin keeper
[ "$(id -u)" = 0 ] || live_skip "needs root"

live_ca edge.example
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$DIR/rsa.key" -out "$DIR/rsa.pem" -days 30 \
    -subj "/CN=rsa.example" -addext subjectAltName=DNS:rsa.example 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout "$DIR/p384.key" -out "$DIR/p384.pem" \
    -days 30 -subj "/CN=p384.example" -addext subjectAltName=DNS:p384.example 2>/dev/null
openssl req -x509 -newkey ed25519 -nodes -keyout "$DIR/ed.key" -out "$DIR/ed.pem" -days 30 \
    -subj "/CN=ed.example" -addext subjectAltName=DNS:ed.example 2>/dev/null
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 1)
{
    echo 'workers = 2'
    echo 'limits { connection_rate = 60000, connections_per_address = 1000 }'
    live_certificate edge
    for name in rsa p384 ed; do
        echo "certificate { name = \"$name.example\", chain = \"$DIR/$name.pem\", key = \"$DIR/$name.key\" }"
    done
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config edge "$1"
if live_start edge; then
    live_run "$LIVE_PYTHON" test/live/keeper.py "$DIR" "$1" "$(live_pid edge)"
    live_stop edge
    check "its signatures were counted" grep -q 'keeper.signed.*tls13_server=[1-9]' "$DIR/edge.log"
else
    fail "edge starts"
fi
live_end
