#!/bin/sh
# test_tlsrpt.sh - TLS reports before other people's programs: the report and the signed mail that the
# unit tests keep in test/grid/ (tlsrpt_json_is_golden, tlsrpt_mail_is_golden) are read by Python's
# json, email and gzip, and dkimpy checks the signatures of both kinds.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin tlsrpt
live_run "$LIVE_PYTHON" test/live/tlsrpt.py test/grid/tlsrpt_report.ref test/grid/tlsrpt_mail.ref
live_end
