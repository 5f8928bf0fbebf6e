#!/usr/bin/env bash
# Runs one fuzz target, which is built already, and prints a line about what came of it; fails if it found
# something. What it learns stays in build/fuzz/corpus/TARGET, beside the seeds in tests/fuzz/corpus/TARGET.
#   tests/fuzz/run.sh TARGET SECONDS
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1 seconds=$2
run=build/fuzz/runs/$target
corpus=build/fuzz/corpus/$target
mkdir -p "$run" "$corpus"
find "$run" -type f -delete

status=0
build/fuzz/fuzz/"$target" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
  -artifact_prefix="$run/" "$corpus" "tests/fuzz/corpus/$target" >"$run/log" 2>&1 || status=$?

stat() { sed -nE "s/^stat::$1: *([0-9]+).*/\1/p" "$run/log" | tail -n 1; }
findings=$(find "$run" -type f ! -name log | wc -l)
executions=$(stat number_of_executed_units)
memory=$(stat peak_rss_mb)
printf '%-24s %11s executions  %6s inputs  %5s MiB  %s findings\n' "$target" "${executions:-?}" \
  "$(find "$corpus" "tests/fuzz/corpus/$target" -type f | wc -l)" "${memory:-?}" "$findings"
[ "$status" = 0 ] && [ "$findings" = 0 ] && exit 0 # a slow input is a finding, too
grep -m 1 -E 'ERROR: |runtime error: ' "$run/log" || tail -n 3 "$run/log"
find "$run" -type f ! -name log -printf '  %p\n'
exit 1
