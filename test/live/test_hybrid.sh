#!/bin/sh
# test_hybrid.sh - an organisation with mailboxes at two places: Postfix is its server on its own premises,
# the gateway has mailboxes that exist nowhere else (cloud.hospital.example). Each side knows the other by a
# certificate; all mail of the organisation leaves by Postfix (centralised transport). Mail in all directions,
# each once; attribution fields both ways; Postfix without its certificate gets nothing in (R9, R21, R27,
# T-23). Somebody listens on both lines between the two. At most 1 minute; needs root.
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
mta_begin hybrid
peers_fetch postfix >"$DIR/fetch.out" 2>&1 || live_skip "Postfix cannot be fetched"

pki_begin &&
    pki_leaf public edge DNS:edge.example &&
    pki_leaf public gateway DNS:mx.hospital.example &&
    pki_leaf public mail DNS:mail.hospital.example &&
    pki_leaf public other DNS:mx.other.example &&
    pki_leaf public expired DNS:mail.hospital.example "" -1 ||
    { fail "the certificates are made"; live_end; }
cat "$HOPS/ca/ca.pem" "$PKI/public.pem" >"$DIR/trusted.pem"

for name in postfix to_postfix to_gateway clear far; do
    mta_port
    eval "port_$name=$MTA_TAKEN"
done
# shellcheck disable=SC2154 # set by eval
{
    echo "to_postfix $port_to_postfix $port_postfix watch"
    echo "to_gateway $port_to_gateway $MTA_PORT watch"
    echo "clear $port_clear $MTA_PORT watch"
} >"$DIR/middles"
hop_add far.hop.example 127.0.0.1 "$port_far"
echo "mail.hospital.example 127.0.0.1" >>"$HOPS/names"
hop_unbound

# --- Postfix: who has a mailbox elsewhere is an alias into the other domain, which goes by TLS

# How Postfix comes for which mailbox; its user is USER@hospital.example.
WAYS='bob mail
dave mail
bare -
other other
late expired
clear -'

ways() { # COMMAND: with each user and certificate
    echo "$WAYS" | while read -r way_user way_shows; do "$1" "$way_user" "$way_shows"; done
}

alias_of() {
    echo "$1@hospital.example $1@cloud.hospital.example"
}

transport_of() {
    transport_port=$port_to_gateway
    [ "$1" != clear ] || transport_port=$port_clear
    echo "$1@cloud.hospital.example to-$1:[127.0.0.1]:$transport_port"
}

service_of() { # USER CERTIFICATE
    echo "to-$1 unix - - n - - smtp"
    if [ "$1" = clear ]; then
        printf '  %s\n' '-o smtp_tls_security_level=none'
        return
    fi
    printf '  %s\n' '-o smtp_tls_security_level=secure' '-o smtp_tls_secure_cert_match=edge.example' \
        "-o smtp_tls_CAfile=$PKI/public.pem"
    [ "$2" = - ] || printf '  %s\n' "-o smtp_tls_cert_file=$PKI/$2.pem" "-o smtp_tls_key_file=$PKI/$2.key"
}

mkdir -p "$DIR/pf/etc"
ways alias_of >"$DIR/pf/etc/aliases"
ways transport_of >"$DIR/pf/etc/transport"
start_postfix() {
    postfix_maildir_start "$DIR/pf" 127.0.0.1 "$port_postfix" hospital.example "$PKI/mail.pem" "$PKI/mail.key" \
        "virtual_mailbox_maps = static:all/" "virtual_alias_maps = texthash:$DIR/pf/etc/aliases" \
        "transport_maps = texthash:$DIR/pf/etc/transport" "relayhost = [127.0.0.1]:$port_far" \
        "maillog_file = $DIR/pf/maillog" "maillog_file_prefixes = $DIR" || return 1
    mta_started postfix_stop
    ways service_of | postfix_services "$DIR/pf"
}

# --- the gateway

live_config edge "$MTA_PORT" <<END
networks = ["127.0.0.12/32"]
workers = 1
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { ca = "$DIR/trusted.pem", client_ca = "$PKI/public.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
retry { first = 1s, max = 2s, warn = 0s, give_up = 20s, bounce_give_up = 20s }
limits { out_idle = 1s }
route "*" { smtp = "far.hop.example:$port_far" }
organisation "hospital" {
    domain "hospital.example" { smtp = "mail.hospital.example:$port_to_postfix" }
    domain "cloud.hospital.example" { maildir = "$DIR/mail/{domain}/{local}" }
    certificate "gateway" { chain = "$PKI/gateway.pem", key = "$PKI/gateway.key" }

    # the server on the premises; it may send anywhere, and its attribution fields count
    inbound "server" { kind = on-premises, mode = enforce, certificate_names = "mail.hospital.example",
                       require_tls = yes, trust_headers = yes }
    # who writes in the hospital's name is that server, or one of the users behind the gateway
    inbound "name" { kind = partner, mode = enforce, from = ["hospital.example", "*.hospital.example"],
                     certificate_names = "mail.hospital.example", require_tls = yes, restrict_to_certificate = yes }
    inbound "users" { kind = partner, mode = enforce, from = ["hospital.example", "*.hospital.example"],
                      addresses = "127.0.0.12", restrict_to_addresses = yes }

    outbound "home" { kind = on-premises, mode = enforce, to = "hospital.example", tls = domain,
                      smtp = "mail.hospital.example:$port_to_postfix", certificate = "gateway" }
    outbound "central" { kind = on-premises, mode = enforce, everything = yes, tls = domain,
                         smtp = "mail.hospital.example:$port_to_postfix", certificate = "gateway" }
}
END
middles_ready() {
    [ -e "$DIR/middles.ready" ]
}
"$LIVE_PYTHON" "$PYTHONPATH/middle.py" "$DIR" 2>"$DIR/middle.err" &
echo $! >"$DIR/middle.pid"
if ! start_postfix || ! hop_start || ! live_wait 10 middles_ready || ! live_start edge; then
    fail "all servers start"
    live_end
fi
live_run "$LIVE_PYTHON" test/live/hybrid.py "$DIR" "$MTA_PORT" "$port_postfix"
live_end
