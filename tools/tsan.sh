#!/bin/sh
# tsan.sh - what has threads, under ThreadSanitizer: the work queue and the store's front.
set -eu
make -s -j"$(nproc)" V=tsan build/tsan-gcc/unit_io build/tsan-gcc/unit_store
build/tsan-gcc/unit_io work
build/tsan-gcc/unit_store front
