#!/bin/sh
# test_opensmtpd.sh - OpenSMTPD 6.8 hands mail to Postern, and takes mail from it, in clear: with OpenSSL 3
# this version of Debian 12 cannot serve STARTTLS (R7, R11, R20, R21). At most 2 minutes; needs root.
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
live_end
