#!/bin/sh
# Runs the test programs given as arguments (one may be a program with arguments of its own), shows what
# they print, and ends with one line for all: "N passed, N failed". A program that dies without its own last line, or takes longer than
# TEST_SECONDS (300), is a failure more.
set -u
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 130' INT TERM HUP
passed=0
failed=0
for program in "$@"; do
    case $program in
    */*) ;;
    *) program=./$program ;;
    esac
    # shellcheck disable=SC2086 # words
    timeout -k 10 "${TEST_SECONDS:-300}" $program >"$out" 2>&1
    code=$?
    cat "$out"
    # "name: N passed, N failed"
    last=$(sed -n 's/^[^ ]*: \([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p' "$out" | tail -n 1)
    if [ -n "$last" ]; then
        passed=$((passed + ${last% *}))
        failed=$((failed + ${last#* }))
    fi
    if [ -z "$last" ] || { [ "$code" -ne 0 ] && [ "${last#* }" = 0 ]; }; then
        echo "FAIL $program ended with code $code, after $(tail -n 1 "$out")"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
