#!/bin/sh
# purity.sh <build folder>: what may the pure folders call? Their objects may want only names that
# lower folders define and the few of libc below, so no clock, file, socket, environment or log can
# slip in; and mail, proto and policy hold no data that can change.
# Prints `object: symbol` for each offence; exits 1 on any.
set -eu
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: tools/purity.sh <build folder>" >&2
    exit 2
fi
build=$1
cd "$(dirname "$0")/.."
table=$(mktemp)
trap 'rm -f "$table"' EXIT

# objects_of <folder>: those whose source still exists
objects_of() {
    for source in "$1"/*.c; do
        object=$build/${source%.c}.o
        if [ -f "$source" ] && [ -f "$object" ]; then
            echo "$object"
        fi
    done
}

# "folder D|U|W object symbol": defined, wanted, writable
for folder in base mail proto policy; do
    for object in $(objects_of "$folder"); do
        nm -g --defined-only "$object" | awk -v f="$folder" -v o="$object" '{ print f, "D", o, $NF }'
        nm -u "$object" | awk -v f="$folder" -v o="$object" '{ print f, "U", o, $NF }'
        objdump -t "$object" | awk -v f="$folder" -v o="$object" '
            NF > 4 && $(NF - 2) ~ /^[.](data|bss|tdata|tbss)$|^[*]COM[*]$/ && $(NF - 3) ~ /O/ { print f, "W", o, $NF }'
    done
done >"$table"
if ! [ -s "$table" ]; then
    echo "purity: no objects below $build" >&2
    exit 2
fi

awk '
BEGIN {
    lower["base"] = "base"
    lower["mail"] = "base mail"
    lower["proto"] = "base mail proto"
    lower["policy"] = "base mail policy"
    n = split("memcpy memcmp memmove memset memchr memrchr strlen vsnprintf bcmp " \
              "__memcpy_chk __memmove_chk __memset_chk __vsnprintf_chk " \
              "__stack_chk_fail _GLOBAL_OFFSET_TABLE_", list, " ")
    for (i = 1; i <= n; i++)
        free_to_use[list[i]] = 1
    # memory and the end of the process have one door each
    n = split("malloc calloc realloc free abort write log_flush", list, " ")
    for (i = 1; i <= n; i++)
        base_c[list[i]] = 1
}

function allowed(folder, object, name,    n, list, i)
{
    if (name in free_to_use || name ~ /^__(asan|ubsan|tsan|sanitizer|sancov|gcov|llvm)_/ ||
        name ~ /^(llvm_gc(ov|da)_|__(start|stop)___sanc)/)
        return 1
    if (object ~ /\/base\/base[.]o$/ && name in base_c)
        return 1
    if (object ~ /\/base\/log[.]o$/)
        return 1
    if (name ~ /^log_/)
        return 0
    n = split(lower[folder], list, " ")
    for (i = 1; i <= n; i++) {
        if ((list[i], name) in defined)
            return 1
    }
    return 0
}

$2 == "D" { defined[$1, $4] = 1 }
$2 == "U" { wanted[++wants] = $0 }
$2 == "W" && $1 != "base" && $4 !~ /^([.]|__)/ { print $3 ": " $4 " can change"; offences++ }

END {
    for (i = 1; i <= wants; i++) {
        split(wanted[i], part, " ")
        if (!allowed(part[1], part[3], part[4])) {
            print part[3] ": " part[4]
            offences++
        }
    }
    exit offences > 0
}' "$table"
