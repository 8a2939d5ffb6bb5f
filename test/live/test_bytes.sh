#!/bin/sh
# test_bytes.sh - 400 odd messages through two hops, in by DATA and by BDAT: what comes out below the
# fields that Postern is documented to add is what went in, byte for byte (T-11). At most 3 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin bytes

live_ca edge.example inside.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 2)
{
    live_certificate edge
    echo "route \"example.org\" { smtp = [\"127.0.0.1:$2\"] }"
} | live_config edge "$1"
{
    live_certificate inside
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config inside "$2"

if live_start inside && live_start edge; then
    live_run "$LIVE_PYTHON" test/live/bytes.py "$1" "$DIR/mail/example.org" "${SEED:-1}" "${MESSAGES:-400}"
else
    fail "both hops start"
fi
live_end
