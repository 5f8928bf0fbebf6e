#!/usr/bin/env bash
# CMake and Bazel name the same files: each BUILD.bazel is what CMake's lists render to.
set -eu
cd "$(dirname "$0")/../.."
rendered=${DMARCATE_BUILD:-build}/bazel
[ -s "$rendered/files.txt" ] || { echo "$rendered/files.txt is missing; configure first"; exit 1; }
status=0
while read -r file; do
  diff -u "$file" "$rendered/$file" || status=1
done <"$rendered/files.txt"
while read -r file; do
  grep -qx "$file" "$rendered/files.txt" || { echo "$file: CMake knows no target here"; status=1; }
done < <(git ls-files -co --exclude-standard -- '**/BUILD.bazel')
[ $status = 0 ] || echo "run: ./dev bazel --sync"
exit $status
