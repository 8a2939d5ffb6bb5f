#!/bin/sh
# test_hostile.sh - next hops that do everything wrong, each under three contracts: opportunistic,
# encrypt, domain. Postern does not fall, sends nothing in clear where TLS is demanded (T-02, T-04,
# T-52, T-55, R21), and when the hops become honest all of the mail arrives, once. At most 3 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
live_begin hostile
hop_begin

# shellcheck disable=SC2046
set -- $(live_ports 2)
port=$1 hop_port=$2
hop_certs "DNS:*.hop.example"

n=0
add() { # BEHAVIOUR CERT NAME
    n=$((n + 1))
    hop_add "$3.hop.example" "127.0.7.$n" "$hop_port" "$1" "$2"
    for level in may enc dom; do
        case $level in
        may) tls=opportunistic ;;
        enc) tls=encrypt ;;
        dom) tls=domain ;;
        esac
        echo "route \"$3.$level.example\" { smtp = [\"$3.hop.example:$hop_port\"], tls = $tls }"
    done >>"$DIR/routes"
}
for behaviour in $("$LIVE_PYTHON" -c 'import hop; print(*hop.ANSWERS)'); do
    add "$behaviour" good "$behaviour"
done
for cert in self-signed unknown other-host expired; do
    add honest "$cert" "cert-$cert"
done
hop_add sender.hop.example 127.0.7.250 "$hop_port" honest good
hop_unbound

{
    cat <<END
workers = 2
tls { ca = "$HOPS/ca/ca.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 2s, warn = 0s }
sessions { dead_first = 1s, dead_max = 2s }
limits {
    out_greeting = 2s, out_helo = 2s, out_starttls = 2s, out_handshake = 2s, out_mail = 2s, out_rcpt = 2s
    out_data = 2s, out_end = 2s, out_idle = 1s
}
route "example.net" { smtp = ["sender.hop.example:$hop_port"] }
END
    cat "$DIR/routes"
} | live_config edge "$port"

if hop_start && live_start edge; then
    live_run "$LIVE_PYTHON" test/live/hostile.py "$DIR" "$port" "$(live_pid edge)"
else
    fail "the gateway and its next hops start"
fi
live_end
