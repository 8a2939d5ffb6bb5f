#!/bin/sh
# test_exim.sh - Exim 4.96 (GnuTLS) hands mail to Postern, and takes mail from it: STARTTLS, in clear, with
# a certificate that is not trusted, with nothing but TLS 1.0, and with 454 to STARTTLS (R7, R10, R11,
# R13, R19, R20, R21). At most 3 minutes; needs root.
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
mta_begin exim
jail_works || live_skip "no mount namespaces here"
peers_fetch exim >"$DIR/fetch.out" 2>&1 || live_skip "Exim cannot be fetched"

# exim NAME PORT NEXT_PORT CERT SETTING SED: a next port of 0 keeps mail; SETTING goes to the main part,
# SED changes the configuration
exim() {
    exim_root=$DIR/exim-$1/root
    jail_make "$exim_root" || return 1
    mkdir -p "$exim_root/etc/exim4" "$exim_root/var/spool/exim4" "$exim_root/var/log/exim4"
    chown -R 990:990 "$exim_root/var/spool/exim4" "$exim_root/var/log/exim4"
    cp "$DIR/ca/ca.pem" "$HOPS/ca/root2.pem" "$exim_root/etc/"
    if [ -n "$4" ]; then
        cp "$HOPS/ca/$4.pem" "$exim_root/etc/host.pem"
        cp "$HOPS/ca/$4.key" "$exim_root/etc/host.key"
    fi
    {
        printf '%s\n' "local_interfaces = <; [127.0.0.1]:$2" "$5"
        exim_config 127.0.0.1 "$3" "$4"
    } | sed "$6" >"$exim_root/etc/exim4/exim4.conf"
    jail_spawn "$exim_root" "$PEERS_CACHE/exim" "$DIR/exim-$1/err" /usr/sbin/exim4 -bdf -q2s || return 1
    mta_started peers_stop
    peers_wait_port 127.0.0.1 "$2" 10 "$DIR/exim-$1/err"
}

case_exim() { # NAME CERT [SETTING]
    mta_port
    exim_port=$MTA_TAKEN
    exim "$1" "$exim_port" 0 "$2" "${3:-}" "" && mta_case "$1" "$exim_port" "$DIR/exim-$1/root/mail"
}

sender_exim() { # NAME WANT CERT SED
    mta_port
    exim "$1" "$MTA_TAKEN" "$MTA_PORT" "$3" "" "$4" && mta_sender "$1" "$MTA_TAKEN" "$2"
}

printf 'no key\n' >"$HOPS/ca/broken.pem"
printf 'no key\n' >"$HOPS/ca/broken.key"
case_exim tls good &&
    case_exim plain "" &&
    case_exim self-signed self-signed &&
    case_exim other-host other-host &&
    case_exim old good "tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.0" &&
    case_exim 454 broken &&
    mta_edge || { fail "all servers start"; live_end; }

mta_hops utf8
verify() { # CA
    printf '%s\n' "s|^  allow_localhost|&\n  tls_verify_certificates = /etc/$1\n  tls_verify_hosts = *\n  tls_verify_cert_hostnames =|"
}
sender_exim clear ESMTP "" 's|^  allow_localhost|&\n  hosts_avoid_tls = *|'
sender_exim verify ESMTPS good "$(verify ca.pem)"
sender_exim wrong-ca waits good "$(verify root2.pem)"
live_end
