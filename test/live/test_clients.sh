#!/bin/sh
# test_clients.sh - other people's clients deliver over STARTTLS when they trust our CA and refuse when
# they do not; then each extension, what Received says, plaintext and its count (R1, R14, R15). At
# most 2 minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=test/live/lib.sh
. test/live/lib.sh
live_begin clients

live_ca edge.example
tools/test-ca.sh "$DIR/other" edge.example
ca=$DIR/ca/ca.pem wrong=$DIR/other/ca.pem
live_mail_folder
# shellcheck disable=SC2046
set -- $(live_ports 3)
port=$1 implicit=$2 clear=$3
{
    live_certificate edge
    cat <<END
workers = 2
listen "127.0.0.1:$implicit" { tls = implicit }
listen "127.0.0.1:$clear" { tls = off }
domain "example.org" { maildir = "$DIR/mail/{local}" }
domain "example.net" { maildir = "$DIR/mail/sender-{local}" }
END
} | live_config edge "$port"

# eml ID: a message with that X-Test-Id, CRLF ends
eml() {
    printf 'From: Ada <ada@example.net>\r\nTo: <%s@example.org>\r\nSubject: %s\r\nX-Test-Id: %s\r\n\r\nHello.\r\n' \
        "$1" "$1" "$1" >"$DIR/$1.eml"
}

# dialogue BOX: the client's side of one transaction, slowly, for tools that pass lines through
dialogue() {
    sleep 1
    for line in "EHLO client.example" "MAIL FROM:<ada@example.net>" "RCPT TO:<$1@example.org>" DATA; do
        printf '%s\r\n' "$line"
        sleep 0.3
    done
    cat "$DIR/$1.eml"
    printf '.\r\n'
    sleep 0.5
    printf 'QUIT\r\n'
    sleep 0.5
}

by_swaks() { # BOX CA PORT OPTION...
    swaks_box=$1 trust=$2 to_port=$3
    shift 3
    swaks --server 127.0.0.1 --port "$to_port" --helo client.example --from ada@example.net \
        --to "$swaks_box@example.org" --header "X-Test-Id: $swaks_box" --timeout 15 "$@" \
        --tls-verify --tls-ca-path "$trust"
}

by_swaks_starttls() {
    by_swaks "$1" "$2" "$port" --tls
}

by_swaks_implicit() {
    by_swaks "$1" "$2" "$implicit" --tls-on-connect
}

by_msmtp() { # BOX CA
    msmtp --file=/dev/null --host=localhost --port="$port" --tls=on --tls-starttls=on \
        --tls-trust-file="$2" --domain=client.example --from=ada@example.net --timeout=15 \
        "$1@example.org" <"$DIR/$1.eml"
}

by_msmtp_implicit() {
    msmtp --file=/dev/null --host=localhost --port="$implicit" --tls=on --tls-starttls=off \
        --tls-trust-file="$2" --domain=client.example --from=ada@example.net --timeout=15 \
        "$1@example.org" <"$DIR/$1.eml"
}

by_curl() {
    curl -sS --fail --ssl-reqd --cacert "$2" --max-time 15 --resolve "edge.example:$port:127.0.0.1" \
        "smtp://edge.example:$port/client.example" --mail-from ada@example.net \
        --mail-rcpt "$1@example.org" -T "$DIR/$1.eml"
}

by_curl_implicit() {
    curl -sS --fail --cacert "$2" --max-time 15 --resolve "edge.example:$implicit:127.0.0.1" \
        "smtps://edge.example:$implicit/client.example" --mail-from ada@example.net \
        --mail-rcpt "$1@example.org" -T "$DIR/$1.eml"
}

by_s_client() {
    dialogue "$1" | timeout 15 openssl s_client -quiet -starttls smtp -name client.example \
        -connect "127.0.0.1:$port" -servername edge.example -verify_hostname edge.example \
        -verify_return_error -CAfile "$2" -no-CApath -no-CAstore >"$DIR/tool.out" 2>&1
    cat "$DIR/tool.out"
    grep -q '^250 2.0.0 Queued' "$DIR/tool.out"
}

by_gnutls() {
    dialogue "$1" | timeout 15 gnutls-cli --starttls-proto=smtp --x509cafile="$2" --port="$port" \
        --sni-hostname=edge.example --verify-hostname=edge.example localhost >"$DIR/tool.out" 2>&1
    cat "$DIR/tool.out"
    grep -q '^250 2.0.0 Queued' "$DIR/tool.out"
}

by_smtplib() {
    "$LIVE_PYTHON" - "$port" "$2" "$1" <<'END'
import smtplib, ssl, sys
port, ca, box = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with smtplib.SMTP("localhost", port, "client.example", timeout=15) as s:
    s.starttls(context=ssl.create_default_context(cafile=ca))
    s.sendmail("ada@example.net", box + "@example.org", "X-Test-Id: %s\r\n\r\nHello.\r\n" % box)
END
}

by_nodemailer() {
    node - "$port" "$2" "$1" <<'END'
const [port, ca, box] = process.argv.slice(2);
const transport = require("nodemailer").createTransport({ host: "localhost", port, requireTLS: true,
    name: "client.example", tls: { ca: require("fs").readFileSync(ca) } });
transport.sendMail({ from: "ada@example.net", to: box + "@example.org", subject: box, text: "Hello.",
    headers: { "X-Test-Id": box } }).then(() => process.exit(0), e => { console.log(e); process.exit(1); });
END
}

arrived() { # BOX
    grep -q -i -r "^X-Test-Id: $1" "$DIR/mail/$1/new"
}

refuses() {
    ! "$@"
}

# client TOOL FUNCTION: with our CA it delivers, with another one it does not
client() {
    if ! command -v "$1" >/dev/null; then
        skip "$2" "$1 is not installed"
        return
    fi
    box=$2
    eml "$box"
    check "$box delivers over TLS" "by_$2" "$box" "$ca"
    check "$box: the mail arrives" live_wait 10 arrived "$box"
    eml "wrong-$box"
    check "$box refuses a server whose CA it does not know" refuses "by_$2" "wrong-$box" "$wrong"
    check "$box: nothing arrives then" refuses test -e "$DIR/mail/wrong-$box"
}

if live_start edge; then
    client swaks swaks_starttls
    client swaks swaks_implicit
    client msmtp msmtp
    client msmtp msmtp_implicit
    client curl curl
    client curl curl_implicit
    client openssl s_client
    client gnutls-cli gnutls
    client "$LIVE_PYTHON" smtplib
    if node -e 'require("nodemailer")' 2>/dev/null; then
        client node nodemailer
    else
        skip nodemailer "node has no package nodemailer here"
    fi
    live_run "$LIVE_PYTHON" test/live/clients.py "$DIR" "$port" "$implicit" "$clear"
else
    fail "the gateway starts"
fi
live_end
