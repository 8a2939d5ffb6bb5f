#!/bin/sh
# test.sh [KIND...] - runs the tests, kind by kind; the last line is "N passed, N failed". A test is a
# command whose last line has that form, or that counts as one by its exit status. Whole output: build/log/.
# Each runs in process, mount and (live tests) network namespaces of its own where root may make them, so
# that nothing it starts outlives it and nothing outside meddles.
#
#   SIM_SECONDS   fresh seeds of the simulator    (90), counted from the commit's number
#   FUZZ_SECONDS  each fuzz target                (5)
#   LIVE          live tests, by name             (all of test/live/test_*.sh)
#   LIVE_JOBS     live tests at the same time     (2; 1 where namespaces cannot be made)
#   KILLS, FIRE_SECONDS   how hard live-crash hits (200 times in 240 seconds)
set -u
kinds=${*:-"tidy unit clang release sim fuzz live"}
jobs=$(nproc)
log=build/log
begin=$(date +%s)
end=$((begin + 3300)) # all of it stays within the hour
total_passed=0
total_failed=0
alone= # not empty: without the network
export CLANG="${CLANG:-clang-14}" KILLS="${KILLS:-200}" FIRE_SECONDS="${FIRE_SECONDS:-240}"
export NODE_PATH="${NODE_PATH:-/usr/share/nodejs}"
mkdir -p "$log"

job=
lanes=
finish() {
	# shellcheck disable=SC2086 # lists
	[ -z "$job$lanes" ] || kill -TERM $job $lanes 2>/dev/null
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '%s== %s%s\n' "$bold" "$*" "$plain"; }

now() { date +%s; }

# --- one command, shut in

private='setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'
$private true 2>/dev/null || private=
network=--net
[ -n "$private" ] && $private --net ip link set lo up 2>/dev/null || network=

# inside SECONDS COMMAND...: the first process there reaps orphans, and all end with it
inside() {
	shut=$private
	[ -z "$alone" ] || shut="$private $network"
	[ -n "$private" ] || exec timeout -k 20 "$@"
	# shellcheck disable=SC2016,SC2086 # expanded inside; a list
	exec $shut sh -c '
		if [ -n "$1" ]; then
			ip link set lo up
			# some clients want an address that is not loopback, if only to see it
			ip link add outside type veth peer name nowhere && ip addr add 10.255.255.1/32 dev outside &&
				ip link set outside up && ip link set nowhere up
		fi
		[ ! -d /run/netns ] || mount -t tmpfs tmpfs /run/netns # names of its own
		shift
		timeout -k 20 "$@" &
		wait $!' sh "${alone:+$network}" "$@"
}

# run NAME SECONDS COMMAND...: leaves $log/NAME.log and $log/NAME.result, "STATUS SECONDS"
run() {
	run_name=$1 run_limit=$2 run_start=$(now)
	shift 2
	if [ $((end - run_start)) -lt "$run_limit" ]; then run_limit=$((end - run_start)); fi
	if [ "$run_limit" -gt 0 ]; then
		(inside "$run_limit" "$@") >"$log/$run_name.log" 2>&1 </dev/null &
		job=$!
		wait "$job"
		run_status=$?
		job=
	else
		echo "no time is left for it" >"$log/$run_name.log"
		run_status=124
	fi
	[ "$run_status" != 124 ] || echo "ended after $run_limit seconds, which is all it had" >>"$log/$run_name.log"
	echo "$run_status $(($(now) - run_start))" >"$log/$run_name.result"
}

# --- counting

# report NAME: prints what run left; adds what its last "N passed, N failed" says. A failure without one
# counts too.
report() {
	read -r status seconds <"$log/$1.result"
	rm -f "$log/$1.result"
	counts=$(sed -nE 's/^(.*[^0-9])?([0-9]+) passed, ([0-9]+) failed.*/\2 \3/p' "$log/$1.log" | tail -n 1)
	passed=${counts% *} failed=${counts#* }
	if [ -z "$counts" ]; then
		passed=0 failed=1
		[ "$status" -ne 0 ] || passed=1 failed=0
	elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
	fi
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	printf '%-18s %6d passed %3d failed %5ds\n' "$1" "$passed" "$failed" "$seconds"
	sed -nE 's/^skip /                   skipped: /p' "$log/$1.log"
	if [ "$failed" != 0 ]; then
		echo "--- the end of $log/$1.log (ended with $status)"
		grep -vE '^ok ' "$log/$1.log" | tail -n 60
		echo '---'
	fi
}

counted() {
	run "$@"
	report "$1"
}

# --- the kinds

formatted() {
	{ git -c safe.directory="$PWD" ls-files '*.c' '*.h' 2>/dev/null | grep . ||
		find . -path ./build -prune -o -name '*.[ch]' -print; } | xargs clang-format-14 --dry-run --Werror
}

kind_tidy() {
	counted tidy 60 tools/tidy.sh
	if command -v clang-format-14 >/dev/null; then
		formatted >"$log/format.log" 2>&1
		echo "$? 0" >"$log/format.result"
		report format
	else
		echo "format: only clang-format-14 can judge it, and it is not here"
	fi
	counted purity 600 make -s -j"$jobs" V=release purity
}
kind_unit() {
	counted build-gcc 900 make -s -j"$jobs" V=dev all
	counted unit-gcc 900 make -s -j"$jobs" V=dev unit
}
kind_clang() {
	counted build-clang 900 make -s -j"$jobs" V=dev CC="$CLANG" all
	counted unit-clang 900 make -s -j"$jobs" V=dev CC="$CLANG" unit
}
kind_release() {
	counted build-release 900 make -s -j"$jobs" V=release all bench-tools
	counted tsan 900 tools/tsan.sh
}
kind_sim() {
	if [ -z "$(find sim -name '*.c' 2>/dev/null)" ]; then
		echo "there is no simulator in this tree"
		return
	fi
	counted build-sim 900 make -s -j"$jobs" V=dev build/dev-gcc/postern-sim build/dev-gcc/sim_stories
	counted sim-stories 300 build/dev-gcc/sim_stories
	[ ! -f test/sim/seeds.txt ] || counted sim-kept 600 build/dev-gcc/postern-sim --seeds test/sim/seeds.txt
	# fresh ones for each commit, the same for the same commit: what fails can be run again
	from=$(git rev-parse HEAD 2>/dev/null | cut -c 1-8)
	counted sim-fresh $((${SIM_SECONDS:-90} + 120)) build/dev-gcc/postern-sim --seconds "${SIM_SECONDS:-90}" \
		--from $((0x${from:-1}))
}
kind_fuzz() { counted fuzz $((900 + ${FUZZ_SECONDS:-5} * 40)) tools/fuzz.sh "${FUZZ_SECONDS:-5}"; }

# The packages of other mail servers, while there is a network.
live_fetch() {
	[ "$(id -u)" = 0 ] || return 0
	# shellcheck source=test/live/peers.sh
	. test/live/peers.sh
	peers_fetch postfix exim opensmtpd dovecot nsd
}

# Takes tests that no other lane has taken, until there are none.
live_lane() {
	lanes=
	trap 'finish; exit 130' TERM
	alone=yes
	for live_test in $live_tests; do
		mkdir "$log/taken/$live_test" 2>/dev/null || continue
		run "live-$live_test" "${LIVE_LIMIT:-600}" "test/live/test_$live_test.sh"
		report "live-$live_test" >"$log/taken/$live_test.report"
		cat "$log/taken/$live_test.report"
	done
}

kind_live() {
	counted build-live 900 make -s -j"$jobs" V=dev all
	(live_fetch) >"$log/live-fetch.log" 2>&1 || echo "not all other mail servers could be fetched: $log/live-fetch.log"
	live_tests=${LIVE:-$(find test/live -name 'test_*.sh' | sed 's|.*/test_||; s|\.sh$||' | sort -r)}
	count=${LIVE_JOBS:-2}
	[ -n "$network" ] || count=1
	rm -rf "$log/taken"
	mkdir -p "$log/taken"
	lanes=
	while [ "$count" -gt 0 ]; do
		live_lane &
		lanes="$lanes $!"
		count=$((count - 1))
	done
	# shellcheck disable=SC2086 # a list
	wait $lanes
	lanes=
	for live_test in $live_tests; do
		counts=$(sed -nE '1s/.* ([0-9]+) passed +([0-9]+) failed.*/\1 \2/p' "$log/taken/$live_test.report")
		: "${counts:=0 1}"
		total_passed=$((total_passed + ${counts% *}))
		total_failed=$((total_failed + ${counts#* }))
	done
}

times=
for kind in $kinds; do
	case "$kind" in
	tidy | unit | clang | release | sim | fuzz | live) ;;
	*) echo "test.sh: no kind \`$kind\`" >&2; exit 64 ;;
	esac
done
for kind in $kinds; do
	say "$kind"
	kind_start=$(now)
	"kind_$kind"
	times="$times $kind $(($(now) - kind_start))s"
done
echo "time:$times, all $(($(now) - begin))s"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
