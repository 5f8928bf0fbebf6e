#!/usr/bin/env bash
# No loop runs over the inside of a temporary: in C++20 `for (x : *store->List())`,
# `for (x : List().value())` and `for (x : List()->rows)` read what is freed already.
set -eu
cd "$(dirname "$0")/../.."
found=$(grep -rnE 'for \([^;]* : (\*[^;]*\(.*\)\)|[^;]*\)\.value\(\)\)|[^;]*\)->[a-z_]+(\(\))?\)) *(\{.*|[a-z].*)?$' \
  --include='*.h' --include='*.cc' lib ingestd policyd cli tests bench |
  grep -vE ' : \*[a-z_.>-]*mutable_[a-z_]+\(\)\)' || true)
if [ -n "$found" ]; then
  echo "$found"
  echo "a loop over the inside of a temporary: give what is looped over a name first"
  exit 1
fi
