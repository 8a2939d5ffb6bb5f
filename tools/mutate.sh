#!/bin/sh
# mutate.sh [-n SEEDS] [NAME...] - proves that the checks bite. Makes each mistake of test/sim/mutants.txt (or
# those whose names contain a NAME) in a copy of the tree, builds the simulator there, and says what
# noticed it: a story, one of SEEDS fresh worlds (150), or a unit test. The last line is "N passed, N
# failed"; a mistake that nothing noticed is a failure, and one that can no longer be made as well.
# Takes some 20 seconds a mistake; needs what ./dev test needs.
set -u
cd "$(dirname "$0")/.." || exit 1
seeds=150
if [ "${1:-}" = -n ]; then
	seeds=$2
	shift 2
fi
root=$PWD tree=build/mutate/tree logs=build/log
jobs=$(nproc 2>/dev/null || echo 2)
folders="base mail proto policy io store keeper cert fetcher sys ctl gate cli sim test"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# fresh: the copy is the tree again; what was built and did not change is kept
fresh() {
	mkdir -p "$tree" "$logs"
	for folder in $folders; do
		[ ! -d "$folder" ] || (cd "$folder" && find . -type f) | while IFS= read -r file; do
			cmp -s "$folder/$file" "$tree/$folder/$file" && continue
			mkdir -p "$(dirname "$tree/$folder/$file")"
			cp "$folder/$file" "$tree/$folder/$file"
		done
	done
	cp Makefile VERSION "$tree"
}

built() { make -s -C "$tree" -j"$jobs" O=b "$@" >"$log" 2>&1; }

# mistake FILE FUNCTION EDIT: false when nothing changes
mistake() {
	range=
	[ "$2" = - ] || range="/^[a-z].*[ *]$2(/,/^}/"
	sed "$range$3" "$1" >"$tree/$1"
	! cmp -s "$1" "$tree/$1"
}

# What the log says of it, on one line.
reason() {
	for sign in 'VIOLATED.*' '[^ ]* assertion failed.*' 'runtime error.*' 'AddressSanitizer:.*' '^FAIL .*' 'FAILED.*'; do
		grep -m 1 -oE "$sign" "$log" >"$log.line" || continue
		cut -c 1-150 "$log.line"
		return
	done
}

# noticed UNIT: prints by what
noticed() {
	if ! (cd "$tree" && timeout 300 b/sim_stories) >"$log" 2>&1; then
		echo "story $(sed -n 's/^FAIL \([^ ]*\).*/\1/p' "$log" | head -n 1): $(reason)"
	elif ! timeout 900 "$tree/b/postern-sim" --until "$seeds" --from 1 >"$log" 2>&1; then
		echo "$(sed -n 's/^\(seed [0-9]*\) FAILED.*/\1/p' "$log" | tail -n 1): $(reason)"
	elif ! built "b/unit_$1" || ! (cd "$tree" && timeout 300 "b/unit_$1") >"$log" 2>&1; then
		echo "unit_$1: $(reason)"
	else
		return 1
	fi
}

wanted() {
	[ $# -gt 1 ] || return 0
	of=$1
	shift
	for part in "$@"; do
		case $of in *"$part"*) return 0 ;; esac
	done
	return 1
}

log=$root/$logs/mutate.log
fresh
if ! built b/postern-sim b/sim_stories || ! (cd "$tree" && b/sim_stories) >"$log" 2>&1; then
	tail -n 20 "$log"
	echo "mutate.sh: the tree itself does not pass" >&2
	exit 1
fi
passed=0 failed=0
trap 'exit 130' INT TERM HUP
name='' file='' function='' edit=''
while read -r key value; do
	case $key in
	name) name=$value ;;
	in) file=${value% *} function=${value#* } ;;
	edit) edit=$value ;;
	unit)
		wanted "$name" "$@" || continue
		fresh
		if ! mistake "$file" "$function" "$edit" || ! built b/postern-sim b/sim_stories; then
			by="cannot be made like that: mend test/sim/mutants.txt"
			failed=$((failed + 1))
		elif by=$(noticed "$value"); then
			passed=$((passed + 1))
		else
			by="NOTHING noticed it"
			failed=$((failed + 1))
		fi
		printf '%-50s %s\n' "$name" "$by"
		;;
	esac
done <test/sim/mutants.txt
fresh
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
