#!/bin/bash
# A wrong command line: exit code 2, the nearest command, and with -o json one object on standard
# error that says the same.
set -euo pipefail
dmarcate=${DMARCATE_BIN:?}/dmarcate
failed=0

# WANT-PATTERN WORDS...: the words are refused, and standard error matches.
refuses() {
  local want=$1 status=0 told
  shift
  told=$("$dmarcate" "$@" 2>&1 >/dev/null) || status=$?
  if [ "$status" != 2 ]; then
    echo "dmarcate $*: exit code $status, want 2"
    failed=1
  elif ! grep -qE -- "$want" <<<"$told"; then
    echo "dmarcate $*: want $want, told: $told"
    failed=1
  fi
}

refuses '^try:  dmarcate sources list$' sources lst
refuses '^try:  dmarcate sources list --help$' sources list
refuses '^code: USAGE$' sources list example.com --no-such-flag
refuses "^error: command line: there is no command 'sorces'" sorces
refuses '^\{"message_type":"exit_error","code":2,"reason":"USAGE".*"dmarcate sources list"' sources lst -o json
refuses '^\{"message_type":"exit_error"' --output=jsonl sources list
refuses '^\{"message_type":"exit_error"' -ojson changes show
refuses '^error: ' sources lst -o no-such-format
refuses "there is no option '--bogus'" --bogus
refuses "there is no option '--bogus'" sources --bogus=1
refuses 'state nonsense: no such state; want one of unplanned, planned, ' fleet domains x --state nonsense
refuses "'foo', want source, address, reporter, header-from, disposition or trust" stats breakdown example.com --by foo
refuses '^code: USAGE$' domains list --limit 1001
refuses '^code: USAGE$' domains list --limit 0
refuses 'api-url is not for providers of type desec' providers add x --type desec --secret s --api-url https://a.example
refuses 'program is not for providers of type manual' providers add x --type manual --program y
refuses 'secret is not for providers of type manual' providers add x --type manual --secret y
refuses 'class is not for providers of type cloudflare' providers add x --type cloudflare --secret s --class A
refuses '^code: USAGE$' providers add x --type exec --program y --class E
refuses 'secret is required' providers add x --type cloudflare
refuses 'given twice' providers add x --type cloudflare --secret s --set a=1 --set a=2
refuses 'want the domain alone' check http://example.com
refuses 'want the domain alone' check user@example.com
# What is missing is told with the command that would do.
refuses '^try:  dmarcate reports get x --domain DOMAIN$' reports get x
refuses '^try:  dmarcate reports raw x --domain DOMAIN$' reports raw x --kind tls
refuses '^try:  dmarcate tls get x --domain DOMAIN$' tls get x
refuses '^try:  dmarcate sources explain x --domain DOMAIN$' sources explain x
refuses '^try:  dmarcate sources approve x --domain DOMAIN$' sources approve x
refuses '^try:  dmarcate changes apply x --domain DOMAIN$' changes apply x
refuses '^try:  dmarcate changes show x --domain DOMAIN$' changes show x
refuses '^try:  dmarcate changes cancel x --domain DOMAIN$' changes cancel x
refuses '^try:  dmarcate changes rollback x --domain DOMAIN$' changes rollback x
refuses '^try:  dmarcate changes export x --domain DOMAIN$' changes export x --format bind
refuses 'wants a time like 10m, 2h, 90s or 3d' changes apply domains/a.test/changes/x --in soon
refuses 'wants a time like 10m' changes apply domains/a.test/changes/x --in d
refuses 'it is for powerdns$' providers add x --type powerdn --secret s --api-url http://127.0.0.1:1
refuses '^code: USAGE$' changes export x --domain a.test --format yaml
refuses '^try:  dmarcate reports quarantine drop MESSAGE$' reports quarantine drop
refuses '^try:  dmarcate reports purge --domain DOMAIN --count$' reports purge
refuses '"reason":"USAGE".*"help":\["dmarcate reports get x --domain DOMAIN"\]' reports get x -o json
[ "$failed" = 0 ] && echo ok
exit "$failed"
