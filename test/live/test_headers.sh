#!/bin/sh
# test_headers.sh - what an organisation's own server says of a message reaches its mailboxes and its other
# servers and nobody else; what a stranger says of it reaches nobody (trust_headers). At most a minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin headers

live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 3)
live_config edge "$1" <<CONFIG
organisation "hospital" {
    domain "hospital.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "own" { kind = on-premises, mode = enforce, addresses = ["127.0.0.2"], trust_headers = yes }
    outbound "own" { kind = on-premises, mode = enforce, to = ["plant.example"], smtp = ["127.0.0.1:$2"] }
}
route "internet.example" { smtp = ["127.0.0.1:$3"] }
CONFIG

if live_start edge; then
    live_run "$LIVE_PYTHON" test/live/headers.py "$1" "$2" "$3" "$DIR/mail"
else
    fail "it starts"
fi
check "the log says that another tenant was refused" live_log_has edge "mail.foreign .*org=hospital"
live_end
