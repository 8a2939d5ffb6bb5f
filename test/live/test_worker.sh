#!/bin/sh
# test_worker.sh - a worker that cannot start takes no share of the clients, and one that dies is started
# again. At most 1 minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin worker

live_ca edge.example
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 1)
{
    echo 'workers = 2'
    live_certificate edge
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
} | live_config edge "$1"

# greeted PORT N: so many connections, each greeted within two seconds
greeted() {
    "$LIVE_PYTHON" - "$1" "$2" <<'END'
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as s:
        assert s.recv(100).startswith(b"220")
END
}

live_start edge || fail "edge starts"
check "every client is greeted by two workers" greeted "$1" 40
sed "s|$DIR/edge|$DIR/twin|g" "$DIR/edge.conf" >"$DIR/twin.conf"
check "another posternd on the same port is told so" sh -c \
    '! timeout 5 "$1/posternd" -c "$2" 2>"$3" && grep -q "another program has that port" "$3"' \
    sh "$BIN" "$DIR/twin.conf" "$DIR/twin.out"
victim=$(live_workers edge | tr " " "\n" | head -n 1)
kill -KILL "$victim"
two_again() { [ "$(live_workers edge | wc -w)" -eq 2 ] && ! live_workers edge | grep -qw "$victim"; }
check "a worker that was killed is started again" live_wait 10 two_again
check "and every client is greeted" greeted "$1" 40
live_stop edge

shard=$(find "$DIR" -name 'shard-0001.db')
rm -f "$shard-wal"
printf 'this is no database any more' >"$shard"
live_spawn edge
live_wait_port "$1"
deaf() { [ "$(grep -c 'worker.died.*index=1' "$DIR/edge.log")" -ge 4 ]; }
check "T-54: a worker whose shard is harmed cannot start" live_wait 15 deaf
check "T-54: its clients go to the other" greeted "$1" 40
live_end
