#!/usr/bin/env bash
# Dependencies point one way (docs/architecture.md): each directory may include only what is listed here.
set -eu
cd "$(dirname "$0")/../.."

# directory: the directories whose headers it may include, beside its own
rules='
lib/base:
lib/mailauth: lib/base
lib/report: lib/base lib/mailauth
lib/archive: lib/base
lib/mail: lib/base lib/mailauth
lib/unpack: lib/base lib/mailauth lib/report lib/mail lib/archive
lib/dns: lib/base lib/mailauth
lib/http: lib/base
lib/imap: lib/base
lib/inspect: lib/base lib/mailauth lib/mail lib/dns lib/http
lib/store: lib/base lib/mailauth lib/report dmarcate/storage/v1
lib/rpc: lib/base google/rpc dmarcate/v1
ingestd: lib/base lib/imap lib/mailauth lib/report lib/mail lib/unpack lib/dns lib/inspect lib/store lib/rpc dmarcate/v1
lib/view: lib/base lib/mailauth lib/dns lib/inspect lib/report dmarcate/v1
policyd/analysis: lib/base lib/mailauth lib/report lib/store
policyd/plan: lib/base lib/mailauth lib/dns lib/store lib/inspect
policyd/rollout: lib/base lib/mailauth lib/store
policyd/provider: lib/base lib/mailauth lib/dns lib/http lib/store
policyd/reconcile: lib/base lib/mailauth lib/dns lib/inspect lib/store policyd/plan policyd/provider
policyd/service: lib/base lib/mailauth lib/report lib/dns lib/http lib/inspect lib/store lib/rpc lib/view policyd dmarcate/v1
policyd: lib/base lib/mailauth lib/dns lib/http lib/inspect lib/store lib/rpc lib/view policyd dmarcate/v1
cli: lib/base lib/mailauth lib/report lib/mail lib/archive lib/unpack lib/dns lib/inspect lib/rpc dmarcate/v1 google/rpc lib/view
'

status=0
includes=$(git ls-files -co --exclude-standard -- 'lib/**' 'ingestd/**' 'policyd/**' 'cli/**' |
  grep -E '\.(h|cc)$' |
  xargs grep -HoE '^#include "(lib|ingestd|policyd|cli|tests|bench|web|dmarcate|google/rpc)[^"]*"' || true)
while IFS=: read -r file include; do
  [ -n "$file" ] || continue
  path=${include#*\"}
  target=$(dirname "${path%\"}")
  directory=$(dirname "$file")
  # The most specific rule for this directory.
  rule_for=$directory
  while ! grep -q "^$rule_for:" <<<"$rules"; do
    parent=$(dirname "$rule_for")
    if [ "$parent" = . ]; then
      echo "$file: no rule for $directory in tests/checks/dependencies.sh"
      status=1
      continue 2
    fi
    rule_for=$parent
  done
  case $target/ in "$rule_for"/*) continue ;; esac
  for allowed in $(sed -n "s|^$rule_for:||p" <<<"$rules"); do
    case $target/ in "$allowed"/*) continue 2 ;; esac
  done
  echo "$file: $rule_for may not include $path"
  status=1
done <<<"$includes"
exit $status
