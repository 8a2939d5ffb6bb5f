#!/bin/sh
# test_connectors.sh - organisations, and who may write to them: partners by certificate, by key and by
# address, own servers that relay, connectors on trial, tickets, and what replies, trace and log tell (R13,
# R14, R22, R24, R25, R27, T-03, T-15, T-20, T-22, T-23, T-24, T-31). Clients are Python's ssl, openssl s_client,
# swaks, and Postfix and Exim as docs/cookbook/ sets them up. At most 5 minutes; needs root.
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
mta_begin connectors

hostile_name() { # a DNS name that holds ends of lines, as DER
    "$LIVE_PYTHON" -c '
name = b"a\r\n250 2.1.5 ok forged=1\r\nmx.lab.example"
der = b"\x82" + bytes([len(name)]) + name
print("DER:" + ":".join("%02X" % c for c in b"\x30" + bytes([len(der)]) + der))'
}
pki_begin && pki_clients &&
    pki_leaf public edge DNS:edge.example,DNS:mx.hospital.example &&
    pki_leaf partner lab-elsewhere DNS:host.elsewhere.example &&
    pki_leaf partner alpha-partner DNS:mail.alpha.example &&
    pki_leaf public hostile "$(hostile_name)" || { fail "the certificates are made"; live_end; }

# --- the gateway: an organisation for each demand

org() { # NAME, connectors from stdin
    echo "organisation \"$1\" {"
    echo "    domain \"$1.example\" { maildir = \"$DIR/mail/{domain}/{local}\" }"
    cat
    echo "}"
}

LAB='from = ["lab.example", "*.lab.example"]'
STRICT="$LAB, certificate_names = \"mx.lab.example\", require_tls = yes, restrict_to_certificate = yes"

partner() { # ORGANISATION MODE SETTINGS: its connector "lab"
    echo "inbound \"lab\" { kind = partner, mode = $2, $3 }" | org "$1"
}

allow() { # WHAT UNTIL
    echo "allow \"$1\" { owner = \"it@hospital.example\", reason = \"until they have renewed\", until = $2 }"
}

organisations() { # MODE of alpha/server
    org strict <<END
    inbound "lab" { kind = partner, mode = enforce, $STRICT }
    inbound "bank" { kind = partner, mode = enforce, from = "bank.example", certificate_names = "mx.bank.example",
                     require_tls = yes, restrict_to_certificate = yes }
END
    partner certificate enforce "$LAB, certificate_names = \"mx.lab.example\", restrict_to_certificate = yes"
    partner encrypted enforce "$LAB, require_tls = yes"
    partner newest enforce "$LAB, require_tls = yes, minimum_version = 1.3"
    partner pinned enforce "$LAB, public_keys = \"$(pki_pin lab-self)\", require_tls = yes, restrict_to_certificate = yes"
    partner own-ca enforce "$STRICT, ca = \"$PKI/partner.pem\""
    partner any-of-ca enforce "$LAB, ca = \"$PKI/partner.pem\", require_tls = yes, restrict_to_certificate = yes"
    partner client-usage enforce "$STRICT, client_usage = client"
    partner wildcard enforce "$LAB, certificate_names = \"*.lab.example\", wildcards = yes, require_tls = yes,
        restrict_to_certificate = yes"
    partner two-certificates enforce "$LAB, certificate_names = [\"mx.lab.example\", \"mail.lab.example\"],
        require_tls = yes, restrict_to_certificate = yes"
    partner addresses enforce "$LAB, addresses = [\"127.0.0.21\", \"127.0.1.0/24\"], restrict_to_addresses = yes"
    partner both enforce "$STRICT, addresses = \"127.0.0.21\", restrict_to_addresses = yes"
    partner weak-expired enforce "$STRICT, $(allow expired "$TOMORROW")"
    partner lapsed-expired enforce "$STRICT, $(allow expired "$YESTERDAY")"
    partner weak-plaintext enforce "$LAB, require_tls = yes, $(allow plaintext "$TOMORROW")"
    partner lapsed-plaintext enforce "$LAB, require_tls = yes, $(allow plaintext "$YESTERDAY")"
    partner trial test "$STRICT"
    partner off off "$STRICT"
    partner idn enforce 'from = "bücher.example", certificate_names = "mx.lab.example", restrict_to_certificate = yes'
    org none </dev/null
    org layers <<END
    inbound "everybody" { kind = partner, mode = enforce, require_tls = yes }
    inbound "lab" { kind = partner, mode = enforce, from = "lab.example", certificate_names = "mx.lab.example",
                    restrict_to_certificate = yes }
    inbound "below" { kind = partner, mode = enforce, from = "*.lab.example", addresses = "127.0.0.21",
                      restrict_to_addresses = yes }
END
    org alpha <<END
    inbound "server" { kind = on-premises, mode = $1, certificate_names = "mail.alpha.example" }
    inbound "farm" { kind = on-premises, mode = enforce, addresses = "127.0.0.31" }
END
    org beta <<END
    inbound "server" { kind = on-premises, mode = enforce, certificate_names = "mail.beta.example",
                       addresses = "127.0.0.32" }
    inbound "alpha" { kind = partner, mode = enforce, from = "alpha.example", certificate_names = "mx.bank.example",
                      restrict_to_certificate = yes }
END
    echo 'inbound "provider" { kind = on-premises, mode = enforce, certificate_names = "relay.provider.example" }' |
        org gamma
    echo 'inbound "server" { kind = on-premises, mode = enforce, addresses = "127.0.0.33", require_tls = yes }' |
        org delta
}

base() { # what all gateways here have
    cat <<END
networks = ["198.51.100.0/24"]
workers = 1
certificate { chain = "$PKI/edge.pem", key = "$PKI/edge.key" }
tls { ca = "$PKI/public.pem", client_ca = "$PKI/public.pem" }
dns { unbound_config = "$DIR/unbound.conf" }
limits { connection_rate = 60000, connections_per_address = 1000, message_rate = 60000 }
END
}

settings() { # MODE of alpha/server
    base
    echo "listen \"127.0.0.1:$second\" { }"
    echo "route \"*\" { smtp = [\"far.hop.example:$far\"] }"
    organisations "$1"
}

mta_port
edge=$MTA_TAKEN
mta_port
second=$MTA_TAKEN
mta_port
far=$MTA_TAKEN
hop_add far.hop.example 127.0.0.1 "$far"
hop_unbound
settings enforce | live_config edge "$edge"
hop_start && live_start edge || { fail "the gateway starts"; live_end; }

export POSTERN="$BIN/postern"
parts() {
    live_run "$LIVE_PYTHON" test/live/connectors.py "$1" "$DIR" "$edge" "$second"
}

parts demands,versions,addresses,binding,before_tls,hybrid,told,trial
parts by_s_client,tickets
if command -v swaks >/dev/null && perl -MNet::SSLeay -e 1 2>/dev/null; then
    parts by_swaks
else
    skip "R24: swaks" "it is not installed (apt-get install swaks libnet-ssleay-perl)"
fi
parts explained

# --- a reload that turns off what a ticket and an open session stand on

"$LIVE_PYTHON" test/live/connectors.py held_session "$DIR" "$edge" >"$DIR/held.out" 2>&1 &
held=$!
live_wait 10 test -e "$DIR/held.ready"
settings off | live_config edge "$edge"
kill -HUP "$(live_pid edge)"
live_wait 10 live_log_has edge 'config.reloaded'
touch "$DIR/held.go"
wait "$held"
live_run cat "$DIR/held.out"
parts tickets_after

# --- refused when they are read

refused() { # PATTERN ORGANISATION
    { settings enforce; echo "$2"; } | live_config wrong "$edge"
    timeout 10 "$BIN/postern" config check "$DIR/wrong.conf" >"$DIR/wrong.out" 2>&1 && return 1
    grep -qE "$1" "$DIR/wrong.out" || { cat "$DIR/wrong.out"; return 1; }
}

thief() { # DOMAIN CONNECTOR
    printf 'organisation "thief" { domain "%s" { maildir = "%s" }\n%s }\n' "$1" "$DIR/mail/{domain}/{local}" "$2"
}

OWN='kind = on-premises, mode = enforce'
check "T-22: a second organisation may not claim a domain" \
    refused 'strict.example|both claim' "$(thief strict.example "")"
check "T-22: nor the certificate name of another one's server" \
    refused 'both claim' "$(thief thief.example "inbound \"x\" { $OWN, certificate_names = \"mail.alpha.example\" }")"
check "T-22: nor its address" \
    refused 'both claim' "$(thief thief.example "inbound \"x\" { $OWN, addresses = \"127.0.0.31\" }")"
check "R24: a partner connector that restricts nothing is refused" \
    refused 'restricts nothing' "$(thief thief.example 'inbound "x" { kind = partner, mode = enforce, from = "a.example" }')"
live_stop edge

page_is_fine() { # PAGE BLOCK
    {
        base
        cookbook "$1" "$2" | sed "s|/etc/postern/mx.hospital.example|$PKI/edge|"
    } | live_config page "$edge"
    "$BIN/postern" config check "$DIR/page.conf"
}
for page in exchange microsoft365; do
    for block in partner own; do
        check "docs/cookbook/$page.md: the configuration $block is one" page_is_fine $page $block
    done
done

# --- real servers, as docs/cookbook/ sets them up

# What each client shows, and how its log must say that the mail fared. Recipients are
# CASE@hospital.example.
CASES='right lab sent
chain lab-chain sent
server lab-server sent
name other 550.5.7.51
expired lab-expired 454.4.7.0
unknown lab-unknown 454.4.7.0
self lab-self 454.4.7.0
leaf lab-leaf 454.4.7.0
none - 550.5.7.51
clear - 454.4.7.0
old lab handshake'

each_case() { # COMMAND...: with case and certificate
    echo "$CASES" | while read -r case_name case_shows _; do "$@" "$case_name" "$case_shows"; done
}

# book PAGE PORT: the gateway of the page
book() {
    {
        base
        cookbook "$1" postern | sed -e "s|smtp = \"mail.hospital.internal\"|maildir = \"$DIR/mail/{domain}/{local}\"|" \
            -e "s|/etc/postern/mx.hospital.example|$PKI/edge|" -e 's|192.0.2.0/28|127.0.0.10|'
    } | live_config "book-$1" "$2"
    live_start "book-$1"
}

fared() { # LOG TO PATTERN
    live_wait 30 grep -qE "$2.*$3" "$1" && return 0
    grep "$2" "$1" | tail -n 3
    return 1
}

by_tls() { # LOCAL: its mail came by TLS
    grep -rq 'with ESMTPS' "$DIR/mail/hospital.example/$1/new"
}

send_case() { # PORT CASE
    hand_over "$1" ada@lab.example "$2@hospital.example"
}

# judge SERVER PORT LOG SENT: mail for every case by the server; SENT is what its log calls that
judge() {
    rm -rf "$DIR/mail/hospital.example"
    each_case send_case "$2"
    while read -r case_name case_shows case_want; do
        case_pattern=$case_want
        [ "$case_want" != sent ] || case_pattern=$4
        check "R24: $1 shows $case_shows ($case_name): $case_want" fared "$3" "$case_name@hospital.example" "$case_pattern"
    done <<END
$CASES
END
    for case_name in right chain server; do
        check "R24: $1: the mail of $case_name is there, and came by TLS" live_wait 10 by_tls "$case_name"
    done
    sleep 1
    check "R24: $1: nothing else is there" test "$(live_count_mail "$DIR/mail/hospital.example")" -eq 3
}

# --- Postfix

place() { # the page's paths and addresses are ours
    sed -e "s|/etc/postfix/mx.lab.example|$PKI/lab|" -e "s|/etc/postfix|$postfix_dir/etc|g" \
        -e "s|\[mx.hospital.example\]:25|[127.0.0.1]:$book_port|g" \
        -e "s|/etc/ssl/certs/ca-certificates.crt|$PKI/public.pem|"
}

postfix_route() { # CASE
    echo "$1@hospital.example $1:[127.0.0.1]:$book_port"
}

postfix_case() { # CASE CERTIFICATE: the page's service under that name
    cookbook postfix hospital | place |
        if [ "$2" = - ]; then sed '/smtp_tls_.*_file/d'; else sed "s|$PKI/lab\.|$PKI/$2.|"; fi | sed "s|^hospital |$1 |"
    case $1 in
    clear) printf '  %s\n' '-o smtp_tls_security_level=none' '-o smtp_tls_policy_maps=' ;;
    old) printf '  %s\n' '-o smtp_tls_security_level=encrypt' '-o smtp_tls_policy_maps=' \
        '-o smtp_tls_mandatory_protocols=TLSv1.1' '-o tls_high_cipherlist=ALL:@SECLEVEL=0' ;;
    esac
}

by_postfix() {
    mta_port
    book_port=$MTA_TAKEN
    book postfix "$book_port" || return 1
    mta_port
    postfix_port=$MTA_TAKEN
    postfix_dir=$DIR/pf-lab
    mkdir -p "$postfix_dir/etc"
    cookbook postfix tls_policy | place >"$postfix_dir/etc/tls_policy"
    { each_case postfix_route; cookbook postfix transport | place; } >"$postfix_dir/etc/transport"
    cookbook postfix send | place >"$postfix_dir/settings"
    postfix_relay_start "$postfix_dir" 127.0.0.1 "$postfix_port" 127.0.0.1 "$book_port" "" "" \
        "$(cat "$postfix_dir/settings")" "maillog_file = $postfix_dir/maillog" "maillog_file_prefixes = $DIR" \
        2>"$postfix_dir/err" || return 1
    mta_started postfix_stop
    { each_case postfix_case; cookbook postfix hospital | place; } | postfix_services "$postfix_dir"
    judge Postfix "$postfix_port" "$postfix_dir/maillog" 'status=sent .250 '
    hand_over "$postfix_port" ada@lab.example page@hospital.example
    check "docs/cookbook/postfix.md: sent as it stands there" \
        fared "$postfix_dir/maillog" page@hospital.example 'status=sent .250 '
    check "docs/cookbook/postfix.md: Postfix says that it has verified us" \
        grep -q 'Verified TLS connection established to 127.0.0.1' "$postfix_dir/maillog"
    live_stop book-postfix
}

# --- Exim

exim_router() { # CASE
    cookbook exim router | sed -e "s|^hospital:|$1:|" -e "s|= hospital_smtp|= $1_smtp|" \
        -e "s|^  driver.*|&\n  local_parts = $1|" -e 's|^  route_list.*|&\n  self = send|'
}

exim_transport() { # CASE CERTIFICATE
    cookbook exim transport | sed -e "s|^hospital_smtp:|$1_smtp:|" -e "s|port = 25|port = $book_port|" \
        -e 's|^  driver.*|&\n  allow_localhost|' -e "s|/etc/exim4/mx.lab.example|/etc/pki/$2|" \
        -e 's|/etc/ssl/certs/ca-certificates.crt|/etc/pki/public.pem|' |
        case $1 in
        none) sed '/^  tls_certificate/d; /^  tls_privatekey/d' ;;
        old) sed -e 's|^  driver.*|&\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.1|' ;;
        clear) sed -e '/^  tls_/d; /^  hosts_require_tls/d' -e 's|^  driver.*|&\n  hosts_avoid_tls = *|' ;;
        *) cat ;;
        esac
}

by_exim() {
    mta_port
    book_port=$MTA_TAKEN
    book exim "$book_port" || return 1
    mta_port
    exim_port=$MTA_TAKEN
    exim_root=$DIR/exim-lab/root
    exim_jail "$exim_root" mx.hospital.example || return 1
    {
        exim_main "$exim_port" 'tls_advertise_hosts ='
        echo 'begin routers'
        each_case exim_router
        echo 'begin transports'
        each_case exim_transport
        printf '%s\n' 'begin retry' '* * F,1h,5m'
    } >"$exim_root/etc/exim4/exim4.conf"
    exim_spawn "$exim_root" "$exim_port" || return 1
    judge Exim "$exim_port" "$exim_root/var/log/exim4/mainlog" '.*C="250 '
    check "docs/cookbook/exim.md: Exim says that it has verified us" \
        grep -qE '=> right@.* CV=yes' "$exim_root/var/log/exim4/mainlog"
    live_stop book-exim
}

if peers_fetch postfix >"$DIR/fetch.out" 2>&1; then
    by_postfix || fail "Postfix starts" "$(tail -n 3 "$DIR/pf-lab/err" 2>&1)"
else
    skip "R24: Postfix" "it cannot be fetched"
fi
if jail_works && peers_fetch exim >"$DIR/fetch.out" 2>&1; then
    by_exim || fail "Exim starts" "$(tail -n 3 "$DIR/exim-lab/root.err" 2>&1)"
else
    skip "R24: Exim" "it cannot be fetched, or there are no mount namespaces here"
fi
live_end
