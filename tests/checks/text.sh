#!/usr/bin/env bash
# The tree names no single machine, hides no unfinished work, and every header has its guard.
set -eu
cd "$(dirname "$0")/../.."
status=0
files() { git ls-files -co --exclude-standard -- ':!package-lock.json' ':!tests/checks/text.sh' ':!tests/data' "$@"; }
if files | xargs grep -nIE '/(work|root|home/[a-z]+)/|registry\.npmjs|deb\.debian\.org'; then
  echo "paths and hosts of a machine do not belong here"
  status=1
fi
if files -- '*.cc' '*.h' '*.proto' '*.cmake' dev '*.sh' | xargs grep -nE '\b(TODO|FIXME|XXX)\b'; then
  echo "finish it, or write an issue"
  status=1
fi
while read -r header; do
  guard=DMARCATE_$(tr 'a-z/.' 'A-Z__' <<<"$header")_
  grep -q "^#ifndef $guard\$" "$header" || { echo "$header: include guard is not $guard"; status=1; }
done < <(files -- '*.h')
exit $status
