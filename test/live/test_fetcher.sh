#!/bin/sh
# test_fetcher.sh - the process that speaks HTTP outwards: what it fetches and what not (T-45, R35-R38), what it holds,
# and that mail passes while it hangs, dies, or waits. At most 1 minute; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin fetcher
[ "$(id -u)" = 0 ] || live_skip "needs root"

live_ca edge.example
# site NAME SAN DAYS: a certificate of the test's CA
site() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/$1.key" -out "$DIR/$1.csr" \
        -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=DNS:%s\n' "$2" >"$DIR/$1.ext"
    openssl x509 -req -in "$DIR/$1.csr" -CA "$DIR/ca/ca.pem" -CAkey "$DIR/ca/ca.key" -set_serial 7 -days "$3" \
        -extfile "$DIR/$1.ext" -out "$DIR/$1.pem" 2>/dev/null
}
site good localhost 30
site name other.example 30
site expired localhost -1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/untrusted.key" -days 30 \
    -out "$DIR/untrusted.pem" -subj "/CN=localhost" -addext subjectAltName=DNS:localhost 2>/dev/null
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 7)
{
    echo 'workers = 2'
    echo "fetch { allow_private = yes, ca = \"$DIR/ca/ca.pem\", timeout = \"5s\" }"
    live_certificate edge
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config edge "$1"
if live_start edge; then
    live_run "$LIVE_PYTHON" test/live/fetcher.py "$DIR" "$(live_pid edge)" "$@"
    live_stop edge
    check "its exchanges were counted" grep -q 'fetcher.done.*done=[1-9]' "$DIR/edge.log"
else
    fail "edge starts"
fi
live_end
