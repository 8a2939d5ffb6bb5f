#!/bin/sh
# test_reload.sh - SIGHUP: a good file is taken over by all workers while old sessions live on, a bad one
# changes nothing and is reported with its place, sockets are not changed, a worker that dies comes back
# with what holds now, and one that hangs is replaced. At most 2 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin reload

live_ca edge.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 2)
{
    echo 'workers = 2'
    echo 'networks = ["192.0.2.0/24"]'
    echo 'limits { connection_rate = 60000, connections_per_address = 1000 }'
    live_certificate edge
    echo "domain \"example.org\" { maildir = \"$DIR/mail/a-{domain}/{local}\" }"
    echo "domain \"old.example\" { maildir = \"$DIR/mail/a-{domain}/{local}\" }"
} | live_config edge "$1"
if live_start edge; then
    live_run "$LIVE_PYTHON" test/live/reload.py "$DIR" "$1" "$2" "$(live_pid edge)"
else
    fail "edge starts"
fi
live_end
