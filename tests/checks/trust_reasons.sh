#!/usr/bin/env bash
# Reasons of a trust class are API: the code, the page that explains them and the hints of the command line name the same ones.
set -eu
cd "$(dirname "$0")/../.."
defined=$(grep -oE 'return "[a-z_]+"' lib/store/trust_reason.cc | sed 's,return ,,' | tr -d '"' | sort)
listed=$(sed -n '/^## Reasons/,/^## /p' docs/trust.md | grep -oE '^\| `[a-z_]+`' | grep -oE '[a-z_]+' | sort)
hinted=$(grep -oE '^    \{"[a-z_]+"' cli/trust_text.cc | grep -oE '[a-z_]+' | sort)
[ "$(echo "$defined" | wc -l)" -ge 19 ] || { echo "reasons are written in another form now; this check finds too few of them"; exit 1; }
diff <(echo "$defined") <(echo "$listed") || { echo "lib/store/trust_reason.cc (<) and docs/trust.md (>) differ"; exit 1; }
diff <(echo "$defined") <(echo "$hinted") || { echo "lib/store/trust_reason.cc (<) and cli/trust_text.cc (>) differ"; exit 1; }
