# mta.sh - Postern between real mail servers: what the tests of Postfix, Exim and OpenSMTPD share.
# Sourced after lib.sh, hop.sh and peers.sh, as root.
#
# As next hops, a server runs once for each case (tls, plain, self-signed, old, 454, see mta.py), behind
# a tap that keeps what Postern says to it. Each case has a domain for each contract. As senders, a
# server hands mail for example.org to Postern, which has it in a Maildir.

MTA_EXTRA= # pids of those that are not stopped by name

mta_begin() { # NAME
    live_begin "$1"
    [ "$(id -u)" = 0 ] || live_skip "only root can start other mail servers"
    hop_begin
    hop_certs "DNS:*.hop.example,DNS:edge.example,IP:127.0.0.1"
    chmod 644 "$HOPS"/ca/*.key
    : >"$DIR/taps"
    : >"$DIR/cases"
    : >"$DIR/routes"
    # shellcheck disable=SC2046
    set -- $(live_ports 24)
    MTA_PORT=$1
    shift
    MTA_PORTS=$*
    live_mail_folder
    live_ca edge.example
}

# mta_port: $MTA_TAKEN is a free port
mta_port() {
    MTA_TAKEN=${MTA_PORTS%% *}
    MTA_PORTS=${MTA_PORTS#* }
}

# live_undo is called by live_cleanup; all at once, as some take seconds to end
live_undo() {
    mta_stopping=
    for mta_entry in $MTA_EXTRA; do
        "${mta_entry%%:*}" "${mta_entry#*:}" &
        mta_stopping="$mta_stopping $!"
    done
    # shellcheck disable=SC2086 # a list
    [ -z "$mta_stopping" ] || wait $mta_stopping
    MTA_EXTRA=
}

# mta_started STOP: the server that PEER_PID is, and how to stop it
mta_started() {
    MTA_EXTRA="$1:$PEER_PID $MTA_EXTRA"
}

# mta_case NAME PORT FOLDER: a next hop on PORT that keeps mail below FOLDER
mta_case() {
    mta_port
    echo "$1 $MTA_TAKEN $2" >>"$DIR/taps"
    echo "$1 $3" >>"$DIR/cases"
    echo "$1.hop.example 127.0.0.1" >>"$HOPS/names"
    for mta_level in may:opportunistic enc:encrypt dom:domain; do
        echo "route \"$1.${mta_level%:*}.example\" { smtp = [\"$1.hop.example:$MTA_TAKEN\"], tls = ${mta_level#*:} }"
    done >>"$DIR/routes"
}

mta_taps_ready() {
    [ -e "$DIR/taps.ready" ]
}

# mta_edge: Postern, over all cases
mta_edge() {
    "$LIVE_PYTHON" "$PYTHONPATH/tap.py" "$DIR" 2>"$DIR/tap.err" &
    echo $! >"$DIR/tap.pid"
    live_wait 10 mta_taps_ready || return 1
    hop_unbound
    {
        cat <<END
workers = 2
certificate { chain = ["$DIR/ca/edge.example-ec.pem"], key = ["$DIR/ca/edge.example-ec.key"] }
tls { ca = "$HOPS/ca/ca.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 2s, warn = 0s, give_up = 8s, bounce_give_up = 30s }
sessions { dead_first = 1s, dead_max = 2s }
limits { out_idle = 1s, out_handshake = 5s }
domain "example.org" { maildir = "$DIR/mail/{local}" }
domain "example.net" { maildir = "$DIR/mail/bounces" }
END
        cat "$DIR/routes"
    } | live_config edge "$MTA_PORT"
    live_start edge
}

# mta_hops ARG...: mail through Postern to every case; see mta.py
mta_hops() {
    live_run "$LIVE_PYTHON" test/live/mta.py hops "$DIR" "$MTA_PORT" "$@"
}

# mta_sender NAME PORT WANT: mail for example.org by the server on PORT; WANT is the protocol word of
# Postern's Received field, or "waits"
mta_sender() {
    live_run "$LIVE_PYTHON" test/live/mta.py sender "$DIR" "$2" "$1" "$3"
}
