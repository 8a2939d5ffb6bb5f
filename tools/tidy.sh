#!/bin/sh
# Checks what the compiler does not: lengths, layers, banned functions, dead headers (the whole
# list stands in tools/tidy.awk). Prints `file:line: what` for each offence; exits 1 on any.
set -eu
cd "$(dirname "$0")/.."
product="base mail proto policy io store keeper cert fetcher sys ctl gate cli"
others="sim test fuzz bench"
folders=
for folder in $product $others; do
    [ -d "$folder" ] && folders="$folders $folder"
done
# shellcheck disable=SC2086 # the lists are words
files=$(find $folders -type f -name '*.[ch]' | LC_ALL=C sort)
# shellcheck disable=SC2086
LC_ALL=C awk -v product="$product" -f tools/tidy.awk tools/layers.txt tools/tidy-allow.txt $files
