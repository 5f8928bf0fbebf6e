#!/usr/bin/env bash
# Every repair of an aggregate report, or of what wraps one, has its meaning in lib/report/repair_codes.cc.
set -eu
cd "$(dirname "$0")/../.."
known=$(grep -oE '^    \{"[a-z0-9_]+"' lib/report/repair_codes.cc | grep -oE '[a-z0-9_]+' | sort)
# Codes are the words with an underscore among the first arguments; other kinds of reports have codes of their own.
given=$(git ls-files -co --exclude-standard -- lib/report lib/unpack | grep -E '\.cc$' | grep -vE '/(failure|tls|repair_codes)\.cc$' |
  xargs sed 's,//.*,,' | tr '\n' ' ' | grep -oE '\b(Add|AddRepair|note)\([^,;]*|auto code = [^;]*' |
  grep -oE '"[a-z0-9]+(_[a-z0-9]+)+"' | grep -oE '[a-z0-9_]+' | grep -vE '^(feedback_plain_text)$' | sort -u)
missing=$(comm -13 <(echo "$known") <(echo "$given"))
[ "$(echo "$given" | wc -l)" -ge 80 ] || { echo "codes are given in another form now; this check finds too few of them"; exit 1; }
[ -z "$missing" ] || { echo "without a meaning in lib/report/repair_codes.cc:"; echo "$missing"; exit 1; }
