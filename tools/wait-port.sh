#!/bin/sh
# wait-port.sh PORT [SECONDS] - until something on loopback greets with 220 there.
port=$1
tries=$((${2:-15} * 10))
while [ $tries -gt 0 ]; do
	greeting=$(curl -sS -m 2 "smtp://127.0.0.1:$port" -X QUIT -v 2>&1 | grep -m 1 '< 220') && [ -n "$greeting" ] && exit 0
	sleep 0.1
	tries=$((tries - 1))
done
echo "nothing greets on port $port" >&2
exit 1
