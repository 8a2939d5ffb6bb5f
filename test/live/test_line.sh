#!/bin/sh
# test_line.sh - two gateways in network namespaces with a bad line between them: delay, jitter that
# changes the order, loss, duplicates, flipped bits, a cut in the middle. Each mail arrives, once, byte
# for byte. The line is line.py's, over tun devices, so that no kernel needs netem. At most 3 minutes;
# needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin line
[ "$(id -u)" = 0 ] || live_skip "only root can make network namespaces"
a=postern-a-$$ b=postern-b-$$

live_undo() {
    ip netns del "$a" 2>/dev/null
    ip netns del "$b" 2>/dev/null
}

line_is_ready() {
    [ -e "$DIR/line.ready" ]
}

# bring_up NAMESPACE DEVICE ADDRESS
bring_up() {
    ip netns add "$1" && ip link set "$2" netns "$1" && ip -n "$1" addr add "$3/24" dev "$2" &&
        ip -n "$1" link set lo up && ip -n "$1" link set "$2" up
}

make_line() {
    [ -c /dev/net/tun ] && command -v ip || return 1
    "$LIVE_PYTHON" "$PYTHONPATH/line.py" "$DIR" "la$$" "lb$$" &
    echo $! >"$DIR/line.pid"
    live_wait 10 line_is_ready && bring_up "$a" "la$$" 10.77.0.1 && bring_up "$b" "lb$$" 10.77.0.2
}

# shape JSON: from now on
shape() {
    echo "$1" >"$DIR/shape.new"
    mv "$DIR/shape.new" "$DIR/shape"
}
make_line >"$DIR/line.out" 2>&1 || live_skip "no namespaces or no tun here: $(tail -n 1 "$DIR/line.out")"

# start_in NAMESPACE NAME HOST
start_in() {
    ip netns exec "$1" "$BIN/posternd" -c "$DIR/$2.conf" 2>>"$DIR/$2.log" &
    echo $! >"$DIR/$2.pid"
    live_wait 20 ip netns exec "$1" "$LIVE_PYTHON" -c "
import sys, smtp
sys.exit(not smtp.greets($(live_port "$2"), '$3'))"
}

# send ROUND: mails of many sizes into edge
send() {
    live_run ip netns exec "$a" "$LIVE_PYTHON" test/live/line_mail.py send "$DIR" 2525 "$1"
}

arrive() {
    live_run "$LIVE_PYTHON" test/live/line_mail.py arrive "$DIR" 0 "$1"
}

live_ca edge.example inside.example
live_mail_folder
{
    live_certificate edge
    cat <<END
workers = 2
retry { first = 1s, max = 2s }
sessions { dead_first = 1s, dead_max = 1s }
route "example.org" { smtp = ["10.77.0.2:2526"], tls = certificate }
END
} | live_config edge 2525
{
    live_certificate inside
    echo "workers = 2"
    echo "domain \"example.org\" { maildir = \"$DIR/mail/{local}\" }"
} | LIVE_HOST=10.77.0.2 live_config inside 2526

if start_in "$b" inside 10.77.0.2 && start_in "$a" edge 127.0.0.1; then
    shape '{"delay": 50, "jitter": 20, "loss": 0.02}'
    send slow && arrive slow
    shape '{"delay": 20, "jitter": 15, "loss": 0.08, "duplicate": 0.05}'
    send torn && arrive torn
    shape '{"delay": 20, "jitter": 10, "loss": 0.15, "corrupt": 0.01}'
    send bad && arrive bad
    shape '{"delay": 20}'
    send cut
    shape '{"loss": 1}'
    sleep 3
    shape '{"delay": 5}'
    arrive cut
    check "edge still runs" live_alive edge
    check "inside still runs" live_alive inside
else
    fail "both gateways start"
fi
[ -f "$DIR/line.pid" ] && live_stop line
echo "the line: $(cat "$DIR/line.count")"
live_end
