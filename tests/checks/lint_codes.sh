#!/usr/bin/env bash
# Lint codes are API: the page that lists them and the header that defines them name the same ones.
set -eu
cd "$(dirname "$0")/../.."
defined=$(grep -oE '= "[A-Z0-9_]+"' lib/mailauth/lint.h | grep -oE '[A-Z0-9_]+' | sort)
listed=$(grep -oE '^\| `[A-Z0-9_]+`' docs/lint-codes.md | grep -oE '[A-Z0-9_]+' | sort)
diff <(echo "$defined") <(echo "$listed") || { echo "lib/mailauth/lint.h (<) and docs/lint-codes.md (>) differ"; exit 1; }
