#!/bin/sh
# fuzz.sh SECONDS - replays every corpus, then fuzzes each target that long. What it finds is kept in
# fuzz/found/. The last line counts the targets.
set -u
seconds=$1
passed=0
failed=0
out=build/fuzz-clang-14
mkdir -p fuzz/found
make -s -j"$(nproc)" V=fuzz CC=clang-14 fuzz-build || { echo "0 passed, 1 failed"; exit 1; }
for target in "$out"/fuzz_*; do
	[ -x "$target" ] && [ ! -d "$target" ] || continue
	name=$(basename "$target" | sed 's/^fuzz_//')
	work=$(mktemp -d)
	[ -d "fuzz/corpus/$name" ] && cp -r "fuzz/corpus/$name/." "$work"
	dict=
	[ -f "fuzz/fuzz_$name.dict" ] && dict="-dict=fuzz/fuzz_$name.dict"
	# shellcheck disable=SC2086
	if "$target" $dict -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="fuzz/found/$name-" "$work" >"$work.log" 2>&1; then
		passed=$((passed + 1))
		printf '%-14s %s runs\n' "$name" "$(sed -n 's/stat::number_of_executed_units: *//p' "$work.log")"
	else
		failed=$((failed + 1))
		echo "$name FAILED"
		tail -n 30 "$work.log"
	fi
	rm -rf "$work" "$work.log"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
