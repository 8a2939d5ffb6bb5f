#!/bin/sh
# test_opensmtpd.sh - OpenSMTPD 6.8 takes mail from Postern in clear, and hands mail to it, as anybody and as a
# partner, in clear and through TLS, without a certificate and with one (R7, R11, R20, R21, R24). With OpenSSL 3
# this version of Debian 12 cannot use a key: README.md says why. At most 2 minutes; needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
# shellcheck source=test/live/hop.sh
. test/live/hop.sh
# shellcheck source=test/live/peers.sh
. test/live/peers.sh
# shellcheck source=test/live/mta.sh
. test/live/mta.sh
# shellcheck source=test/live/connectors.sh
. test/live/connectors.sh
mta_begin opensmtpd
jail_works || live_skip "no mount namespaces here"
peers_fetch opensmtpd >"$DIR/fetch.out" 2>&1 || live_skip "OpenSMTPD cannot be fetched"

skip "STARTTLS served by OpenSMTPD" "Debian 12's 6.8 cannot, with OpenSSL 3"
mta_port
plain=$MTA_TAKEN
opensmtpd_start "$DIR/os-plain" 127.0.0.1 "$plain" - 0 && mta_started peers_stop &&
    mta_case plain "$plain" "$DIR/os-plain/root/mail" &&
    mta_edge || { fail "all servers start"; live_end; }
mta_hops
mta_port
if opensmtpd_start "$DIR/os-sender" 127.0.0.1 "$MTA_TAKEN" 127.0.0.1 "$MTA_PORT"; then
    mta_started peers_stop
    mta_sender opensmtpd "$MTA_TAKEN" 'ESMTPS?'
else
    fail "OpenSMTPD starts as a sender"
fi

# --- as a partner: to connectors that demand TLS, and TLS with its certificate

pki_begin && pki_leaf public edge DNS:edge.example && pki_leaf public ec DNS:mx.lab.example &&
    openssl genrsa -out "$PKI/rsa.key" 2048 2>/dev/null && openssl req -new -key "$PKI/rsa.key" -subj /CN=rsa |
    openssl x509 -req -CA "$PKI/public.pem" -CAkey "$PKI/public.key" -CAcreateserial -days 30 \
        -extfile "$PKI/ec.ext" -out "$PKI/rsa.pem" 2>/dev/null || { fail "the certificates are made"; live_end; }

org() { # NAME SETTINGS
    cat <<END
organisation "$1" {
    domain "$1.example" { maildir = "$DIR/mail/{domain}/{local}" }
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", require_tls = yes, $2 }
}
END
}
mta_port
gate=$MTA_TAKEN
{
    cat <<END
workers = 1
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { client_ca = "$PKI/public.pem" }
retry { warn = 0s }
END
    org encrypted ""
    org strict 'certificate_names = "mx.lab.example", restrict_to_certificate = yes'
} | live_config gate "$gate"
live_start gate || { fail "the partner's gateway starts"; live_end; }

sender() { # NAME SCHEME [CERTIFICATE]: its port is $MTA_TAKEN
    mta_port
    opensmtpd_start "$DIR/os-$1" 127.0.0.1 "$MTA_TAKEN" 127.0.0.1 "$gate" "$2" ${3:+"$PKI/$3.pem" "$PKI/$3.key"} ||
        { fail "OpenSMTPD starts ($1)"; return 1; }
    mta_started peers_stop
}
fared() { # NAME TO PATTERN
    live_wait 30 grep -qE "mta delivery .*to=<$2>.*$3" "$DIR/os-$1/log" && return 0
    tail -n 5 "$DIR/os-$1/log"
    return 1
}
arrived() { # TO
    grep -rq 'with ESMTPS' "$DIR/mail/${1#*@}/${1%@*}/new"
}
alerts() {
    grep -c 'tls.failed.*internal error' "$DIR/gate.log"
}
broken_or_arrived() { # TO ALERTS: it is there, or there are more alerts than that
    arrived "$1" || [ "$(alerts)" -gt "$2" ]
}

if sender bare smtp+tls; then
    hand_over "$MTA_TAKEN" ada@lab.example tls@encrypted.example
    hand_over "$MTA_TAKEN" ada@lab.example none@strict.example
    check "R24: OpenSMTPD through TLS, where only TLS is demanded" live_wait 30 arrived tls@encrypted.example
    check "R24: OpenSMTPD without a certificate: 550 5.7.51" fared bare none@strict.example 'PermFail.*550 5.7.51'
fi
if sender clear smtp+notls; then
    hand_over "$MTA_TAKEN" ada@lab.example clear@encrypted.example
    check "R24: OpenSMTPD in clear: 454 4.7.0" fared clear clear@encrypted.example 'TempFail.*454 4.7.0'
fi
for kind in ec rsa; do
    before=$(alerts)
    sender "$kind" smtp+tls "$kind" || continue
    hand_over "$MTA_TAKEN" ada@lab.example "$kind@strict.example"
    check "R24: OpenSMTPD with its $kind certificate: the handshake is tried" \
        live_wait 30 broken_or_arrived "$kind@strict.example" "$before"
    if [ "$(alerts)" -gt "$before" ]; then
        skip "R24: OpenSMTPD with its $kind certificate is admitted" "it cannot sign with it (README.md)"
    else
        check "R24: OpenSMTPD with its $kind certificate is admitted" arrived "$kind@strict.example"
    fi
done
check "R24: nothing else is there" test "$(find "$DIR/mail/strict.example" "$DIR/mail/encrypted.example" -type f \
    -path '*/new/*' 2>/dev/null | grep -cvE '/(tls|ec|rsa)/new/')" -eq 0
live_end
