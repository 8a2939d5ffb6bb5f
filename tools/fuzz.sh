#!/bin/sh
# fuzz.sh SECONDS - replays every corpus and fuzzes each target that long, as many at once as there are
# processors. What it finds is kept in fuzz/found/. The last line counts the targets.
set -u
seconds=$1
lanes=$(nproc 2>/dev/null || echo 2)
out=build/fuzz-${CLANG:=clang-14}
mkdir -p fuzz/found
make -s -j"$lanes" V=fuzz CC="$CLANG" fuzz-build || { echo "0 passed, 1 failed"; exit 1; }

results=$(mktemp -d) || exit 1
pids=
finish() {
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill $pids 2>/dev/null
	rm -rf "$results"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# one NAME: prints one line, or the end of what the target said
one() {
	work=$results/$1.corpus
	mkdir -p "$work"
	[ -d "fuzz/corpus/$1" ] && cp -r "fuzz/corpus/$1/." "$work"
	dict=
	[ -f "fuzz/fuzz_$1.dict" ] && dict="-dict=fuzz/fuzz_$1.dict"
	# shellcheck disable=SC2086 # no word or one
	"$out/fuzz_$1" $dict -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="fuzz/found/$1-" "$work" >"$results/$1.log" 2>&1 &
	child=$!
	wait "$child"
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$results/$1.log")
	if [ $status -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
		printf 'ok %-14s %9d executions\n' "$1" "$runs" | tee "$results/$1.ok"
	else
		printf 'FAIL %s\n%s\n' "$1" "$(tail -n 30 "$results/$1.log")"
	fi
	rm -rf "$work"
}

# lane I: every target whose number is I, modulo the lanes
lane() {
	child=
	trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 1' TERM
	n=0
	for source in fuzz/fuzz_*.c; do
		n=$((n + 1))
		[ $((n % lanes)) -ne "$1" ] || one "$(basename "$source" .c | sed 's/^fuzz_//')"
	done
}

i=0
while [ $i -lt "$lanes" ]; do
	lane $i &
	pids="$pids $!"
	i=$((i + 1))
done
wait
pids=
targets=$(find fuzz -maxdepth 1 -name 'fuzz_*.c' | wc -l)
passed=$(find "$results" -name '*.ok' | wc -l)
cat "$results"/*.ok 2>/dev/null | awk '{ n += $3 } END { printf "%d executions in all\n", n }'
echo "$passed passed, $((targets - passed)) failed"
[ "$passed" -eq "$targets" ]
