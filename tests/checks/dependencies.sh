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
lib/inbound: lib/base lib/mailauth lib/dns lib/http lib/inspect
lib/snapshot: lib/base lib/mailauth
lib/store: lib/base lib/mailauth lib/report dmarcate/storage/v1
lib/rpc: lib/base google/rpc dmarcate/v1
ingestd: lib/base lib/imap lib/mailauth lib/report lib/mail lib/unpack lib/dns lib/inspect lib/snapshot lib/store lib/rpc dmarcate/v1
lib/view: lib/base lib/mailauth lib/dns lib/inspect lib/inbound lib/report dmarcate/v1
policyd/alert: lib/base lib/mailauth lib/store policyd/analysis
policyd/analysis: lib/base lib/mailauth lib/inspect lib/report lib/store
policyd/plan: lib/base lib/mailauth lib/dns lib/store lib/inspect policyd/mta_sts
policyd/rollout: lib/base lib/mailauth lib/store
policyd/mta_sts: lib/base lib/mailauth lib/report lib/store policyd/rollout
policyd/evidence: lib/base lib/mailauth lib/report lib/dns lib/inspect lib/inbound lib/store policyd/analysis policyd/rollout policyd/mta_sts
policyd/watch: lib/base lib/mailauth lib/dns lib/inspect lib/store policyd/analysis policyd/mta_sts policyd/plan policyd/rollout
policyd/notify: lib/base lib/dns lib/http lib/inbound lib/mailauth lib/store policyd/alert policyd/provider
policyd/provider: lib/base lib/mailauth lib/dns lib/http lib/store
policyd/fleet: lib/base lib/store
policyd/gateway: lib/base lib/mailauth
policyd/reconcile: lib/base lib/mailauth lib/dns lib/http lib/inbound lib/inspect lib/store policyd/fleet policyd/mta_sts policyd/plan policyd/provider policyd/rollout
policyd/service: lib/base lib/mailauth lib/report lib/dns lib/http lib/inspect lib/inbound lib/snapshot lib/store lib/rpc lib/view policyd dmarcate/v1
policyd: lib/base lib/mailauth lib/dns lib/http lib/inspect lib/inbound lib/snapshot lib/store lib/rpc lib/view policyd dmarcate/v1
cli: lib/base lib/mailauth lib/report lib/mail lib/archive lib/unpack lib/dns lib/http lib/inspect lib/inbound lib/rpc dmarcate/v1 google/rpc lib/view
'

git ls-files -co --exclude-standard -- 'lib/**' 'ingestd/**' 'policyd/**' 'cli/**' |
  grep -E '\.(h|cc)$' |
  xargs grep -HoE '^#include "(lib|ingestd|policyd|cli|tests|bench|web|dmarcate|google/rpc)[^"]*"' |
  awk -v rules="$rules" '
    function parent(path) { return sub("/[^/]*$", "", path) ? path : "" }
    function within(path, top) { return index(path "/", top "/") == 1 }
    BEGIN {
      lines = split(rules, line, "\n")
      for (i = 1; i <= lines; i++)
        if (match(line[i], ":")) may[substr(line[i], 1, RSTART - 1)] = substr(line[i], RSTART + 1)
    }
    {
      match($0, ":")
      file = substr($0, 1, RSTART - 1)
      path = substr($0, RSTART + 1)
      gsub("^#include \"|\"$", "", path)
      target = parent(path)
      # The most specific rule for this directory.
      for (rule = parent(file); rule != "" && !(rule in may); rule = parent(rule)) {}
      if (rule == "") {
        print file ": no rule for " parent(file) " in tests/checks/dependencies.sh"
        bad = 1
        next
      }
      if (within(target, rule)) next
      n = split(may[rule], allowed, " ")
      for (i = 1; i <= n; i++) if (within(target, allowed[i])) next
      print file ": " rule " may not include " path
      bad = 1
    }
    END { exit bad }'
