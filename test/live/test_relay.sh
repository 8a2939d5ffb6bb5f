#!/bin/sh
# test_relay.sh - from an address that is not trusted, in a network namespace of its own, no spelling of a
# recipient makes Postern relay; trusted networks relay; a network that is too wide is refused when the
# configuration is read. Needs root (skipped plainly otherwise). At most 1 minute.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin relay

# --- too wide: refused at load, with the place in the file

# shellcheck disable=SC2046
set -- $(live_ports 2)
refused_network() { # NETWORK
    echo "networks = [\"127.0.0.0/8\", \"$1\"]" | live_config wide "$port"
    timeout 10 "$BIN/posternd" -c "$DIR/wide.conf" 2>"$DIR/wide.out" && return 1
    grep -q "wide.conf:6:.*open relay" "$DIR/wide.out" || { cat "$DIR/wide.out"; return 1; }
}
port=$1
for network in 0.0.0.0/0 ::/0 128.0.0.0/1 0.0.0.0/7 2000::/3 ::ffff:0:0/96; do
    check "networks with $network are refused when they are read" refused_network "$network"
done

live_undo() {
    ip netns del "pst$$" 2>/dev/null || true
    ip link del "psta$$" 2>/dev/null || true
}
if [ "$(id -u)" != 0 ] || ! ip netns add "pst$$" 2>/dev/null || ! ip netns exec "pst$$" true 2>/dev/null; then
    live_skip "no network namespaces here, or not root"
fi

# 198.18.53.1 is the gateway, 198.18.53.2 nobody, 198.18.53.3 a trusted client; the same for IPv6.
{
    ip link add "psta$$" type veth peer name "pstb$$" netns "pst$$" &&
        ip addr add 198.18.53.1/24 dev "psta$$" && ip addr add 2001:db8:53::1/64 dev "psta$$" nodad &&
        ip link set "psta$$" up &&
        ip netns exec "pst$$" ip link set lo up &&
        ip netns exec "pst$$" ip addr add 198.18.53.2/24 dev "pstb$$" &&
        ip netns exec "pst$$" ip addr add 198.18.53.3/24 dev "pstb$$" &&
        ip netns exec "pst$$" ip addr add 2001:db8:53::2/64 dev "pstb$$" nodad &&
        ip netns exec "pst$$" ip addr add 2001:db8:53::3/64 dev "pstb$$" nodad &&
        ip netns exec "pst$$" ip link set "pstb$$" up
} >"$DIR/net.out" 2>&1 || { fail "the namespace is made" "$(cat "$DIR/net.out")"; live_end; }

live_ca edge.example
live_mail_folder
{
    cat <<-CONFIG
	networks = ["127.0.0.0/8", "198.18.53.3/32", "2001:db8:53::3/128"]
	listen "198.18.53.1:$2" { }
	listen "[2001:db8:53::1]:$2" { }
	domain "example.org" { maildir = "$DIR/mail/{domain}/{local}" }
	domain "*.sub.example.org" { maildir = "$DIR/mail/{domain}/{local}" }
	route "*" { smtp = ["127.0.0.1:9"] }
	CONFIG
    live_certificate edge
} | live_config edge "$1"
live_start edge || { fail "edge starts"; live_end; }

live_run ip netns exec "pst$$" "$LIVE_PYTHON" test/live/relay.py nobody 198.18.53.1 "$2" 198.18.53.2
live_run ip netns exec "pst$$" "$LIVE_PYTHON" test/live/relay.py nobody 2001:db8:53::1 "$2" 2001:db8:53::2
live_run ip netns exec "pst$$" "$LIVE_PYTHON" test/live/relay.py trusted 198.18.53.1 "$2" 198.18.53.3
live_run ip netns exec "pst$$" "$LIVE_PYTHON" test/live/relay.py trusted 2001:db8:53::1 "$2" 2001:db8:53::3
live_run "$LIVE_PYTHON" test/live/relay.py trusted 127.0.0.1 "$1" 127.0.0.1

if command -v nmap >/dev/null && [ -e /usr/share/nmap/scripts/smtp-open-relay.nse ]; then
    ip netns exec "pst$$" nmap -Pn -n -S 198.18.53.2 -e "pstb$$" -p "$2" --script +smtp-open-relay 198.18.53.1 \
        >"$DIR/nmap.txt" 2>&1
    check "nmap finds no open relay" grep -qE "(isn't|doesn't seem to be) an open relay" "$DIR/nmap.txt"
fi
live_end
