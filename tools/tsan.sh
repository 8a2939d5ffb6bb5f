#!/bin/sh
# tsan.sh - what has threads, under ThreadSanitizer: the work queue, the store's front, reloads.
set -eu
make -s -j"$(nproc)" V=tsan build/tsan-gcc/unit_io build/tsan-gcc/unit_store build/tsan-gcc/unit_gate
# Its shadow memory wants an address space that is not shuffled too widely.
calm=
! setarch -R true 2>/dev/null || calm="setarch -R "
tools/run-tests.sh "${calm}build/tsan-gcc/unit_io work" "${calm}build/tsan-gcc/unit_store front" \
    "${calm}build/tsan-gcc/unit_gate reload"
