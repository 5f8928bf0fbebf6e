#!/usr/bin/env bash
# The whole loop on this machine with real parts: PowerDNS as authoritative server and provider API, Unbound before it, both
# daemons, three domains with 90 days of generated reports. Everything lives in one temporary directory and on loopback, and
# ends with this script.
#
#   demo.sh            runs until Ctrl-C and says what to try
#   demo.sh --check    makes the journey by itself; exit 0 only if every step shows what it must
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${DMARCATE_BIN:-$PWD/build/bin}
PATH=$bin:$PATH:/usr/sbin:/sbin
mode=${1:-}
[ -z "$mode" ] || [ "$mode" = --check ] || { echo "usage: $0 [--check]" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/dmarcate-demo.XXXXXX")
chmod 755 "$work"
pids=()
as_nobody=()
if [ "$(id -u)" = 0 ]; then as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi

cleanup() {
  local status=$? pid i
  trap '' INT TERM
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill "${pids[i]}" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ $status != 0 ] && [ $status != 130 ] && [ $status != 143 ]; then
    for log in "$work"/*.log; do
      echo "--- last lines of $(basename "$log")" >&2
      tail -n 15 "$log" >&2
    done
  fi
  rm -rf "$work"
  exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
fail() { printf 'demo: FAILED: %s\n' "$*" >&2; exit 1; }

# Below the ephemeral range, so that no outgoing connection takes it before the server does, and beside the range of the
# other tests (tests/testing/process.cc).
free_port() {
  local port
  while :; do
    port=$((10000 + RANDOM % 10000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
}

# Repeats a command for at most so many seconds until it succeeds.
within() {
  local seconds=$1 deadline
  shift
  deadline=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || return 1
    read -rt 0.2 <> <(:) || true
  done
}

domains=(harbor.example juniper.example quartz.example)
zones=("${domains[@]}" reports.example salesforce.com legacy-crm.example)
key=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq71JV0GMCzEGCNS5yAE2yBMbMpCDjtkZzuIVMDdKwheXThdH+Z37ea4ZjHmePdIX9Xq3l8sxGcOr4Vra4d5PhtMmTPHfYbtpYi//X5cMN+PJQC6+Ww7bxmQRx6RJR499EnL2L/3szksMV+J+xdi7kgzJiJ0zL+VNQ7VDk46FQdD9PQmQVy4xeyzyA3YQSWxGbLjMX1wVlPC5lmuvLR9CYKuBnPZhV1UAw2JT18xHPX5CkFl+KgFb1Src6g6hSj3+W4sV5I12JMVOqBUUkCLzpEGxZG2Rj3c73QE6IZEby2W1SZiE3OGp3hjzsKBDip5U74AhYmAd7sMX7FlwL9C4xQIDAQAB
dns_port=$(free_port)
api_port=$(free_port)
resolver_port=$(free_port)

start_powerdns() {
  mkdir -m 700 "$work/pdns"
  cat >"$work/pdns/pdns.conf" <<CONF
launch=gsqlite3
gsqlite3-database=$work/pdns/zones.sqlite3
local-address=127.0.0.1
local-port=$dns_port
socket-dir=$work/pdns
write-pid=no
daemon=no
guardian=no
disable-syslog=yes
webserver=yes
webserver-address=127.0.0.1
webserver-port=$api_port
webserver-allow-from=127.0.0.0/8
api=yes
api-key=$1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
CONF
  sqlite3 "$work/pdns/zones.sqlite3" </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
  local zone
  for zone in "${zones[@]}"; do
    pdnsutil --config-dir="$work/pdns" create-zone "$zone" "ns1.$zone" >/dev/null 2>&1
    pdnsutil --config-dir="$work/pdns" set-meta "$zone" SOA-EDIT-API INCREASE >/dev/null 2>&1
    add_record "$zone" ns1 A 127.0.0.1
  done
  add_record harbor.example @ TXT '"v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 include:spf.legacy-crm.example ~all"'
  add_record harbor.example @ TXT '"demo-site-verification=7f3a90"'
  add_record harbor.example @ MX '10 ns1.harbor.example'
  add_record harbor.example _dmarc TXT '"v=DMARC1; p=none; rua=mailto:postmaster@harbor.example"'
  add_record harbor.example mail2026._domainkey TXT "\"v=DKIM1; k=rsa; p=${key:0:200}\" \"${key:200}\""
  add_record juniper.example @ TXT '"v=spf1 ip4:192.0.2.60 -all"'
  add_record juniper.example _dmarc TXT '"v=DMARC1; p=quarantine"'
  add_record quartz.example @ TXT '"v=spf1 ip4:192.0.2.130 ip6:2001:db8:130::25 -all"'
  add_record quartz.example _dmarc TXT '"v=DMARC1; p=reject"'
  for zone in "${domains[@]}"; do add_record reports.example "$zone._report._dmarc" TXT '"v=DMARC1;"'; done
  add_record salesforce.com _spf TXT '"v=spf1 ip4:198.51.100.60/31 -all"'
  add_record legacy-crm.example spf TXT '"v=spf1 ip4:198.51.100.200 -all"'
  [ ${#as_nobody[@]} = 0 ] || chown -R 65534:65534 "$work/pdns"
  "${as_nobody[@]}" pdns_server --config-dir="$work/pdns" >"$work/pdns.log" 2>&1 &
  pids+=($!)
  within 20 drill -p "$dns_port" @127.0.0.1 SOA harbor.example || fail "PowerDNS did not start"
}

add_record() {  # ZONE NAME TYPE CONTENT
  pdnsutil --config-dir="$work/pdns" add-record "$1" "$2" "$3" 300 "$4" >/dev/null 2>&1
}

start_unbound() {
  mkdir "$work/unbound"
  {
    cat <<CONF
server:
  interface: 127.0.0.1@$resolver_port
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "$work/unbound"
  pidfile: "$work/unbound/unbound.pid"
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  do-not-query-localhost: no
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  module-config: "iterator"
  local-zone: "." static
CONF
    local zone
    for zone in "${zones[@]}"; do printf '  local-zone: "%s" transparent\n' "$zone"; done
    for zone in "${zones[@]}"; do
      printf 'stub-zone:\n  name: "%s"\n  stub-addr: 127.0.0.1@%s\n' "$zone" "$dns_port"
    done
  } >"$work/unbound/unbound.conf"
  [ ${#as_nobody[@]} = 0 ] || chown -R 65534:65534 "$work/unbound"
  "${as_nobody[@]}" unbound -d -c "$work/unbound/unbound.conf" >"$work/unbound.log" 2>&1 &
  pids+=($!)
  within 20 drill -p "$resolver_port" @127.0.0.1 SOA harbor.example || fail "Unbound did not start"
}

start_daemons() {
  local zone
  mkdir -m 700 "$work/secrets" "$work/ingestd" "$work/policyd"
  (umask 077 && printf '%s\n' "$1" >"$work/secrets/pdns-key")
  cat >"$work/ingestd.toml" <<CONF
[listen]
socket = "$work/ingestd/socket"
token_file = "$work/ingestd/token"
[store]
directory = "$work/ingestd/reports"
[trust]
verify = false  # the made-up reporters have no keys in the DNS
[[maildir]]
path = "$work/data/maildir"
CONF
  {
    cat <<CONF
[listen]
socket = "$work/policyd/socket"
token_file = "$work/policyd/token"
[store]
directory = "$work/policyd/policy"
[reports]
directory = "$work/ingestd/reports"
[secrets]
directory = "$work/secrets"
[dns]
resolvers = ["127.0.0.1:$resolver_port"]
CONF
    for zone in "${zones[@]}"; do
      printf '[[dns.stub]]\nzone = "%s"\nservers = ["127.0.0.1:%s"]\n' "$zone" "$dns_port"
    done
  } >"$work/policyd.toml"
  ingestd --config "$work/ingestd.toml" >"$work/ingestd.log" 2>&1 &
  pids+=($!)
  policyd --config "$work/policyd.toml" >"$work/policyd.log" 2>&1 &
  pids+=($!)
  export DMARCATE_SERVER=unix:$work/policyd/socket
  export DMARCATE_INGEST_SERVER=unix:$work/ingestd/socket
  within 30 dmarcate domains list || fail "policyd did not start"
  within 30 dmarcate reports quarantine list || fail "ingestd did not start"
}

truth() { jq -r "$1" "$work/data/truth.json"; }

all_reports_are_in() {
  local domain
  for domain in "${domains[@]}"; do
    [ "$(dmarcate stats timeline "$domain" --from "$(truth .first_day)" --to "$(truth .last_day)" -o json |
      jq -r .total.message_count)" = "$(truth ".domains[\"$domain\"].messages")" ] || return 1
  done
}

# The TXT record set as the authoritative server gives it, sorted; drill shares no code with Dmarcate.
authoritative_txt() { drill -p "$dns_port" @127.0.0.1 TXT "$1" | awk '!/^;/ && $4 == "TXT"' | cut -f 5- | sort; }
serial() { drill -p "$dns_port" @127.0.0.1 SOA "$1" | awk '!/^;/ && $4 == "SOA" {print $7}'; }

# Prints a command, runs it, prints what it says.
run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

# The same, keeping standard output in $out and the exit code in $code.
try() {
  printf '\n$ %s\n' "$*"
  code=0
  out=$("$@" 2>"$work/stderr.log") || code=$?
  [ -z "$out" ] || printf '%s\n' "$out" | head -n 60
  cat "$work/stderr.log"
}

expect() {  # WHAT, GOT, WANT
  [ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
  echo "ok: $1: $2"
}

check_totals() {
  local domain from to key
  from=$(truth .first_day)
  to=$(truth .last_day)
  for domain in "${domains[@]}"; do
    try dmarcate sources list "$domain" --from "$from" --to "$to" --limit 1000
    out=$(dmarcate sources list "$domain" --from "$from" --to "$to" --limit 1000 -o json)
    expect "$domain messages" "$(jq -r .total.message_count <<<"$out")" "$(truth ".domains[\"$domain\"].messages")"
    expect "$domain messages by source" \
      "$(jq -cS '[.sources[] | {key: (.name | split("/")[-1]), value: (.stats.counts.message_count // "0" | tonumber)}
        | select(.value > 0)] | from_entries' <<<"$out")" \
      "$(jq -cS ".domains[\"$domain\"].by_source" "$work/data/truth.json")"
    for key in address disposition; do
      expect "$domain messages by $key" \
        "$(dmarcate stats breakdown "$domain" --by $key --from "$from" --to "$to" --limit 1000 -o json |
          jq -cS '[.rows[] | {key, value: (.counts.message_count | tonumber)}] | from_entries')" \
        "$(jq -cS ".domains[\"$domain\"].by_$key" "$work/data/truth.json")"
    done
    expect "$domain reports, records and messages as listed" \
      "$(dmarcate reports list "$domain" --from "$from" --to "$to" --limit 1000 -o json |
        jq -r '[.aggregate_reports | length, (map(.record_count) | add), (map(.message_count | tonumber) | add)] | join(" ")')" \
      "$(truth ".domains[\"$domain\"] | \"\(.reports) \(.records) \(.messages)\"")"
    expect "$domain messages by day" \
      "$(dmarcate stats timeline "$domain" --from "$from" --to "$to" -o json | jq -cS '[.points[]
        | select(.counts.message_count != "0")
        | {key: ([.date.year, .date.month, .date.day] | map(tostring | if length < 2 then "0" + . else . end) | join("-")),
           value: (.counts.message_count | tonumber)}] | from_entries' | sha256sum)" \
      "$(jq -cS ".domains[\"$domain\"].by_day" "$work/data/truth.json" | sha256sum)"
  done
  try dmarcate reports reporters --from "$from" --to "$to"
  expect "reports, records and messages by reporter" \
    "$(dmarcate reports reporters --from "$from" --to "$to" --limit 1000 -o json | jq -r '.reporters
      | [map(.report_count | tonumber), map(.record_count | tonumber), map(.message_count | tonumber)] | map(add) | join(" ")')" \
    "$(truth '[.domains[]] | [map(.reports), map(.records), map(.messages)] | map(add) | join(" ")')"
}

journey() {
  local before_spf before_dmarc change serial_before

  step "sources appear with the generator's exact totals"
  check_totals

  step "one source is looked at and approved; a decision writes nothing"
  before_spf=$(authoritative_txt harbor.example)
  before_dmarc=$(authoritative_txt _dmarc.harbor.example)
  run dmarcate sources explain salesforce --domain harbor.example --from "$(truth .first_day)"
  try dmarcate sources approve salesforce --domain harbor.example --note "the CRM of the sales team"
  expect "exit code of approve" $code 0
  expect "records after approving" "$(authoritative_txt harbor.example)" "$before_spf"

  step "the plan: term by term, with look-ups"
  try dmarcate changes plan harbor.example
  expect "exit code of plan" $code 0
  change=$(dmarcate changes list harbor.example -o json | jq -r '.changes[0].name')
  out=$(dmarcate changes show "$change" -o json)
  expect "added to SPF" \
    "$(jq -r '[.record_changes[] | select(.owner_name == "harbor.example") | .term_changes[] | select(.action == "ACTION_ADD") | .term] | join(" ")' <<<"$out")" \
    "include:_spf.salesforce.com"
  expect "look-ups before and after" \
    "$(jq -r '.record_changes[] | select(.owner_name == "harbor.example") | "\(.lookups_before) \(.lookups_after)"' <<<"$out")" "1 2"
  expect "plan for _dmarc" \
    "$(jq -r '[.record_changes[] | select(.owner_name == "_dmarc.harbor.example")] | length' <<<"$out")" 1

  step "applied: written, read back, verified on every authoritative server"
  try dmarcate changes apply "$change" --yes
  expect "exit code of apply" $code 0
  run drill -p "$dns_port" @127.0.0.1 TXT harbor.example
  case $(authoritative_txt harbor.example) in
    *'v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 include:spf.legacy-crm.example include:_spf.salesforce.com ~all'*) echo "ok: drill sees the new SPF record" ;;
    *) fail "drill does not see the planned SPF record" ;;
  esac
  case $(authoritative_txt harbor.example) in
    *demo-site-verification=7f3a90*) echo "ok: the other TXT record is untouched" ;;
    *) fail "the other TXT record is gone" ;;
  esac
  case $(authoritative_txt _dmarc.harbor.example) in
    *'rua=mailto:postmaster@harbor.example'*'mailto:dmarc@reports.example'*) echo "ok: drill sees both report addresses" ;;
    *) fail "drill does not see the planned DMARC record" ;;
  esac

  step "a second apply of the same plan writes nothing"
  serial_before=$(serial harbor.example)
  [ -n "$serial_before" ] || fail "drill gives no serial"
  try dmarcate changes apply "$change" --yes
  expect "exit code of the second apply" $code 0
  expect "serial of the zone" "$(serial harbor.example)" "$serial_before"

  step "rolled back: the exact bytes from before"
  try dmarcate changes rollback "$change" --yes
  expect "exit code of rollback" $code 0
  expect "SPF record set" "$(authoritative_txt harbor.example)" "$before_spf"
  expect "DMARC record set" "$(authoritative_txt _dmarc.harbor.example)" "$before_dmarc"

  step "a plan made stale by a foreign change is refused and names the difference"
  try dmarcate changes plan harbor.example --spf
  expect "exit code of plan" $code 0
  change=$(dmarcate changes list harbor.example -o json | jq -r '.changes[0].name')
  add_record harbor.example @ TXT '"somebody-else=was-here"'
  try dmarcate changes apply "$change" --yes
  expect "exit code of apply" $code 7
  grep -q 'code: STALE_PLAN' "$work/stderr.log" || fail "the refusal has no STALE_PLAN"
  grep -q 'somebody-else=was-here' "$work/stderr.log" || fail "the refusal does not name the difference"
  echo "ok: refused, and the difference is named"

  step "what is no report is refused with its reason, kept and listed"
  printf 'PK\003\004 this is not a zip' >"$work/broken.zip"
  try dmarcate reports import "$work/broken.zip"
  expect "exit code of import" $code 9
  run dmarcate reports quarantine list

  step "the offline commands see the same"
  try dmarcate check harbor.example --resolver "127.0.0.1:$resolver_port" --stub "harbor.example=127.0.0.1:$dns_port" \
    --selector mail2026 --tree
  expect "exit code of check" $code 0

  step "everything is as it must be"
}

step "generating 90 days of reports"
demo_data --out "$work/data" --seed 7 --days 90
echo "$(truth .mails) mails about ${domains[*]}, $(truth .first_day) to $(truth .last_day)"
if [ "$(id -u)" = 0 ]; then chmod -R go+rX "$work/data"; fi

api_key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
step "starting PowerDNS, Unbound, ingestd and policyd (mail is not verified here: reports count as imported)"
start_powerdns "$api_key"
start_unbound
start_daemons "$api_key"

run dmarcate providers add demo --type powerdns --api-url "http://127.0.0.1:$api_port" --secret pdns-key
run dmarcate providers test demo
for domain in "${domains[@]}"; do
  run dmarcate domains add "$domain" --provider demo --report-mailbox dmarc@reports.example
done
within 120 all_reports_are_in || fail "the reports are not all in"
run dmarcate domains list

if [ "$mode" = --check ]; then
  journey
  exit 0
fi

cat <<TEXT

Dmarcate is running. In another terminal:

  export PATH=$bin:\$PATH DMARCATE_SERVER=$DMARCATE_SERVER DMARCATE_INGEST_SERVER=$DMARCATE_INGEST_SERVER

Three things to try:

  1. dmarcate sources list harbor.example --days 92
     dmarcate sources explain salesforce --domain harbor.example --days 92
  2. dmarcate sources approve salesforce --domain harbor.example
     dmarcate changes plan harbor.example        and then: dmarcate changes apply CHANGE
     drill -p $dns_port @127.0.0.1 TXT harbor.example
  3. dmarcate check harbor.example --resolver 127.0.0.1:$resolver_port --stub harbor.example=127.0.0.1:$dns_port --tree

Ctrl-C stops everything and removes $work.
TEXT
while :; do
  for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || fail "a part has ended; the logs say why"; done
  read -rt 1 <> <(:) || true
done
