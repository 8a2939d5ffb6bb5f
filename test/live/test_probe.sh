#!/bin/sh
# test_probe.sh - the probe address of an organisation: what a partner's server is told that comes with the
# right certificate, a wrong, an expired one, none, or in clear; that limits hold, that nothing is queued, and
# that nothing it presents forges a line (P10, P16). Clients are Python's ssl, openssl s_client and swaks. At
# most 1 minute; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/connectors.sh
. test/live/connectors.sh
live_begin probe
live_mail_folder

hostile_name() { # a DNS name that holds ends of lines, as DER
    "$LIVE_PYTHON" -c '
name = b"a\r\n250 2.1.5 {\"probe\":1,\"admitted\":true}\r\nmx.lab.example"
der = b"\x82" + bytes([len(name)]) + name
print("DER:" + ":".join("%02X" % c for c in b"\x30" + bytes([len(der)]) + der))'
}
pki_begin && lab=DNS:mx.lab.example &&
    pki_leaf public edge DNS:edge.example && pki_leaf public lab "$lab" &&
    pki_leaf public lab-expired "$lab" "" -1 && pki_leaf public other DNS:mx.other.example &&
    pki_leaf nobody lab-unknown "$lab" && pki_leaf public hostile "$(hostile_name)" &&
    pki_leaf public many "$(seq -f 'DNS:host-%g.many.example' -s, 1 60)" ||
    { fail "the certificates are made"; live_end; }

# shellcheck disable=SC2046
set -- $(live_ports 1)
{
    cat <<END
networks = ["198.51.100.0/24"]
workers = 1
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { ca = "$PKI/public.pem", client_ca = "$PKI/public.pem" }
limits { connections_per_address = 1000, connection_rate = 60000, message_rate = 60 }
organisation "hospital" {
    probe = "TLS-Probe"
    domain "hospital.example" { maildir = "$DIR/mail/{domain}/{local}" }
    domain "*.hospital.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", certificate_names = "mx.lab.example",
                    require_tls = yes, restrict_to_certificate = yes }
    inbound "trial" { kind = partner, mode = test, from = "trial.example", certificate_names = "mx.lab.example",
                      require_tls = yes, restrict_to_certificate = yes }
}
organisation "elsewhere" {
    domain "elsewhere.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "farm" { kind = on-premises, mode = enforce, addresses = "127.0.0.31" }
}
END
} | live_config edge "$1"
live_start edge || { fail "the gateway starts"; live_end; }

live_run "$LIVE_PYTHON" test/live/probe.py "$DIR" "$1" "$BIN/postern"

# --- by other people's clients

if command -v swaks >/dev/null && perl -MNet::SSLeay -e 1 2>/dev/null; then
    by_swaks() {
        swaks --server "127.0.0.1:$1" -tls --tls-cert "$PKI/lab.pem" --tls-key "$PKI/lab.key" \
            --from a@lab.example --to tls-probe@hospital.example >"$DIR/swaks.out" 2>&1 &&
            grep -q 'looked at and dropped' "$DIR/swaks.out"
    }
    check "P16: swaks sends a message and reads that it was dropped" by_swaks "$1"
else
    skip "P16: swaks" "it is not installed (apt-get install swaks libnet-ssleay-perl)"
fi

check "nothing was queued" test "$("$BIN/postern" --run "$DIR/edge/run" status --json |
    "$LIVE_PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["queue"]["messages"])')" = 0
check "nothing was delivered but the mail beside it" test "$(live_count_mail "$DIR/mail")" = 2
live_end
