#!/bin/sh
# demo.sh FOLDER [--keep] - what `./dev run` shows: two gateways on loopback, each with a certificate of a
# test CA. "edge" takes a message by STARTTLS, keeps it durably and hands it to "inside" by STARTTLS,
# which puts it into a Maildir. Everything lives in build/demo and ends with this script; with --keep, or on
# a terminal, the two run until Ctrl-C.
set -eu
bin=$1
keep=
if [ "${2:-}" = --keep ] || { [ -t 0 ] && [ -t 1 ]; }; then keep=yes; fi
demo=$PWD/build/demo
user=61217
pids=

finish() {
	for p in $pids; do kill -TERM "$p" 2>/dev/null || true; done
	for p in $pids; do wait "$p" 2>/dev/null || true; done
	case $demo in /tmp/postern-demo.*) rm -rf "$demo" ;; esac
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# The workers, who are not root, have to reach the folder.
reachable() {
	[ "$(id -u)" != 0 ] || setpriv --reuid "$user" --regid "$user" --clear-groups test -x "$1"
}
# free PORT: the first port from there on that nobody listens on
free() {
	port=$1
	while grep -qiE ":$(printf %04X "$port") [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}
edge_port=$(free "${EDGE_PORT:-2525}")
inside_port=$(free "${INSIDE_PORT:-$((edge_port + 1))}")

rm -rf "$demo"
mkdir -p "$demo"
chmod 755 "$demo"
if ! reachable "$demo"; then
	demo=$(mktemp -d /tmp/postern-demo.XXXXXX)
	chmod 755 "$demo"
fi
mkdir -p "$demo/ca" "$demo/mail"
[ "$(id -u)" != 0 ] || chown "$user:$user" "$demo/mail"
tools/test-ca.sh "$demo/ca" edge.example inside.example

# $1 name, $2 port; the rest of the configuration on stdin
write_config() {
	{
		cat <<-END
		hostname = "$1.example"
		data = "$demo/$1"
		run = "$demo/$1/run"
		user = "$user"
		workers = 2
		listen "127.0.0.1:$2" { }
		certificate { chain = ["$demo/ca/$1.example-ec.pem", "$demo/ca/$1.example-rsa.pem"]
		              key = ["$demo/ca/$1.example-ec.key", "$demo/ca/$1.example-rsa.key"] }
		tls { ca = "$demo/ca/ca.pem" }
		END
		cat
	} >"$demo/$1.conf"
}
write_config edge "$edge_port" <<END
route "example.org" { smtp = ["127.0.0.1:$inside_port"] }
END
write_config inside "$inside_port" <<END
domain "example.org" { maildir = "$demo/mail/{domain}/{local}" }
END

for name in edge inside; do
	"$bin/posternd" -c "$demo/$name.conf" 2>"$demo/$name.log" &
	pids="$pids $!"
done
for port in "$edge_port" "$inside_port"; do
	tools/wait-port.sh "$port" || { cat "$demo"/*.log; exit 1; }
done

cat >"$demo/message.eml" <<END
From: Ada <ada@example.net>
To: Grace <grace@example.org>
Subject: Hello through Postern
Message-ID: <demo-$$@example.net>
Date: $(date -R)

This message went in by STARTTLS, was written to disk before it was
accepted, and left by STARTTLS.
END
sed -i 's/$/\r/' "$demo/message.eml"

say "Sending a message to edge.example (127.0.0.1:$edge_port) with curl, STARTTLS required"
curl -sS --fail --ssl-reqd --cacert "$demo/ca/ca.pem" --connect-to "edge.example:$edge_port:127.0.0.1:$edge_port" \
	"smtp://edge.example:$edge_port/client.example" \
	--mail-from ada@example.net --mail-rcpt grace@example.org -T "$demo/message.eml"
echo "accepted: it is on disk"

tries=0
until ls "$demo"/mail/example.org/grace/new/* >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -le 150 ] || { echo "the message did not arrive; the logs:"; cat "$demo"/*.log; exit 1; }
	sleep 0.1
done
trace() { "$bin/postern" -c "$demo/edge.conf" trace --from ada@example.net; }
until trace | grep -q delivered; do # the answer to edge is a moment younger than the file
	tries=$((tries + 1))
	[ $tries -le 150 ] || break
	sleep 0.1
done
say "It arrived in inside.example's Maildir ($demo/mail/example.org/grace/new):"
tr -d '\r' <"$(ls "$demo"/mail/example.org/grace/new/* | head -n 1)"
say "postern trace on edge.example:"
trace
say "postern explain --from ada@example.net --to grace@example.org on edge.example:"
"$bin/postern" -c "$demo/edge.conf" explain --from ada@example.net --to grace@example.org
say "postern status on edge.example:"
"$bin/postern" -c "$demo/edge.conf" status
if [ -n "$keep" ]; then
	say "Both gateways keep running. Send to 127.0.0.1:$edge_port with any client; Ctrl-C ends them."
	wait
else
	say "All of it worked; both gateways end now. \`./dev run --keep\` leaves them running."
fi
