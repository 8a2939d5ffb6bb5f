#!/bin/sh
# test_postfix.sh - Postfix 3.7 hands mail to Postern, and takes mail from it: STARTTLS, in clear, with a
# certificate that is not trusted, with nothing but TLS 1.0, and with 454 to STARTTLS (R7, R10, R11, R13,
# R19, R20, R21). At most 3 minutes; needs root.
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
mta_begin postfix
peers_fetch postfix >"$DIR/fetch.out" 2>&1 || live_skip "Postfix cannot be fetched"

# case NAME CERT SETTING...: Postfix as a next hop
case_postfix() {
    mta_port
    postfix_name=$1 postfix_cert=$2 postfix_port=$MTA_TAKEN
    shift 2
    if [ -n "$postfix_cert" ]; then
        set -- "$HOPS/ca/$postfix_cert.pem" "$HOPS/ca/$postfix_cert.key" "$@"
    else
        set -- "" "" "$@"
    fi
    postfix_maildir_start "$DIR/pf-$postfix_name" 127.0.0.1 "$postfix_port" \
        "$postfix_name.may.example $postfix_name.enc.example $postfix_name.dom.example" "$@" \
        "virtual_mailbox_maps = static:all/" "smtpd_tls_received_header = yes" \
        "maillog_file = $DIR/pf-$postfix_name/maillog" "maillog_file_prefixes = $DIR" || return 1
    mta_started postfix_stop
    mta_case "$postfix_name" "$postfix_port" "$DIR/pf-$postfix_name/mail"
}

# sender NAME SETTING...: Postfix as a sender, $MTA_TAKEN is its port
sender_postfix() {
    mta_port
    postfix_name=$1
    shift
    postfix_relay_start "$DIR/pf-$postfix_name" 127.0.0.1 "$MTA_TAKEN" 127.0.0.1 "$MTA_PORT" "" "" \
        "smtp_tls_secure_cert_match = edge.example" "minimal_backoff_time = 1s" \
        "maillog_file = $DIR/pf-$postfix_name/maillog" "maillog_file_prefixes = $DIR" "$@" 2>/dev/null || return 1
    mta_started postfix_stop
}

printf 'no key\n' >"$HOPS/ca/broken.pem"
printf 'no key\n' >"$HOPS/ca/broken.key"
case_postfix tls good &&
    case_postfix plain "" &&
    case_postfix self-signed self-signed &&
    case_postfix other-host other-host &&
    case_postfix old good "smtpd_tls_protocols = TLSv1" "tls_high_cipherlist = ALL:@SECLEVEL=0" &&
    case_postfix 454 broken &&
    mta_edge || { fail "all servers start"; live_end; }

mta_hops utf8
if sender_postfix clear "smtp_tls_security_level = none"; then
    mta_sender clear "$MTA_TAKEN" ESMTP
fi
if sender_postfix verify "smtp_tls_security_level = secure" "smtp_tls_CAfile = $DIR/ca/ca.pem"; then
    mta_sender verify "$MTA_TAKEN" ESMTPS
fi
if sender_postfix wrong-ca "smtp_tls_security_level = secure" "smtp_tls_CAfile = $HOPS/ca/root2.pem"; then
    mta_sender wrong-ca "$MTA_TAKEN" waits
fi
live_end
