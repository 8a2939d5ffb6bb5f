#!/bin/sh
# test.sh [KIND...] - runs the tests, kind by kind; the last line is "N passed, N failed". Each kind is a
# command whose last line has that form, or that counts as one test by its exit status.
set -u
kinds=${*:-"tidy unit clang release sim fuzz live"}
jobs=$(nproc 2>/dev/null || echo 2)
total_passed=0
total_failed=0
mkdir -p build/log

say() { printf '\033[1m== %s\033[0m\n' "$*"; }

# counted NAME COMMAND... - adds what its last "N passed, N failed" says; a failure without one counts too
counted() {
	name=$1
	shift
	start=$(date +%s)
	"$@" >build/log/"$name".log 2>&1
	status=$?
	line=$(grep -E '[0-9]+ passed, [0-9]+ failed' build/log/"$name".log | tail -n 1)
	passed=$(printf '%s' "$line" | sed -nE 's/.*[^0-9]?([0-9]+) passed, ([0-9]+) failed.*/\1/p')
	failed=$(printf '%s' "$line" | sed -nE 's/.*[^0-9]?([0-9]+) passed, ([0-9]+) failed.*/\2/p')
	if [ -z "$line" ]; then
		passed=$([ $status -eq 0 ] && echo 1 || echo 0)
		failed=$([ $status -eq 0 ] && echo 0 || echo 1)
	elif [ $status -ne 0 ] && [ "$failed" = 0 ]; then
		failed=1
	fi
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	printf '%-22s %5d passed %3d failed  %4ds\n' "$name" "$passed" "$failed" $(($(date +%s) - start))
	if [ "$failed" != 0 ]; then
		echo "--- the end of build/log/$name.log"
		grep -vE '^ok ' build/log/"$name".log | tail -n 60
		echo '---'
	fi
}

make_check() { make -s -j"$jobs" "$@"; }

formatted() {
	git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run --Werror
}

kind_tidy() {
	counted tidy tools/tidy.sh
	counted format formatted
	make -s -j"$jobs" V=release purity >build/log/purity-build.log 2>&1
	counted purity make -s V=release purity
}
kind_unit() {
	make_check V=dev all >build/log/build-dev.log 2>&1
	counted build-gcc make -s -j"$jobs" V=dev all
	counted unit-gcc make -s -j"$jobs" V=dev unit
}
kind_clang() {
	counted build-clang make -s -j"$jobs" V=dev CC=clang-14 all
	counted unit-clang make -s -j"$jobs" V=dev CC=clang-14 unit
}
kind_release() {
	counted build-release make -s -j"$jobs" V=release all bench-tools
	counted tsan tools/tsan.sh
}
kind_sim() {
	counted build-sim make -s -j"$jobs" V=dev build/dev-gcc/postern-sim
	counted sim-kept build/dev-gcc/postern-sim --seeds test/sim/seeds.txt
	counted sim-fresh build/dev-gcc/postern-sim --seconds "${SIM_SECONDS:-90}"
}
kind_fuzz() { counted fuzz tools/fuzz.sh "${FUZZ_SECONDS:-5}"; }
kind_live() {
	make -s -j"$jobs" V=dev all >build/log/build-live.log 2>&1
	for t in test/live/test_*.sh; do
		counted "live-$(basename "$t" .sh | sed 's/^test_//')" timeout 900 "$t"
	done
}

for kind in $kinds; do
	say "$kind"
	case "$kind" in
	tidy | unit | clang | release | sim | fuzz | live) "kind_$kind" ;;
	*) echo "test.sh: no kind \`$kind\`" >&2; exit 64 ;;
	esac
done
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
