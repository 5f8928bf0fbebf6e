#!/usr/bin/env bash
# An independent gRPC client, buf curl, finds the API by reflection, lists sources and approves one: over TCP on loopback, with
# the bearer token that policyd made at its first start. Nothing of Dmarcate's own client code takes part.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${DMARCATE_BIN:-$PWD/build/bin}
buf=node_modules/@bufbuild/buf-linux-x64/bin/buf
[ -x $buf ] || { echo "buf is not installed: ./dev setup test" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/dmarcate-grpc.XXXXXX")
pids=()
cleanup() {
  local status=$? pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ $status = 0 ] || tail -n 20 "$work"/*.log >&2
  rm -rf "$work"
  exit $status
}
trap cleanup EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || return 1
    read -rt 0.2 <> <(:) || true
  done
}
# Below the ports that connections take by themselves.
port=$((10000 + RANDOM % 10000))

mkdir -m 700 "$work/ingestd" "$work/policyd" "$work/secrets"
cat >"$work/ingestd.toml" <<CONF
[listen]
socket = "$work/ingestd/socket"
token_file = "$work/ingestd/token"
[store]
directory = "$work/ingestd/reports"
CONF
cat >"$work/policyd.toml" <<CONF
[listen]
socket = "$work/policyd/socket"
tcp = "127.0.0.1:$port"
insecure_loopback = true
token_file = "$work/policyd/token"
[store]
directory = "$work/policyd/policy"
[reports]
directory = "$work/ingestd/reports"
[secrets]
directory = "$work/secrets"
[dns]
resolvers = ["127.0.0.1:9"]
CONF
"$bin/ingestd" --config "$work/ingestd.toml" >"$work/ingestd.log" 2>&1 &
pids+=($!)
"$bin/policyd" --config "$work/policyd.toml" >"$work/policyd.log" 2>&1 &
pids+=($!)
within 30 test -s "$work/policyd/token" || fail "policyd made no token"
token=$(cat "$work/policyd/token")

call() {  # SERVICE/METHOD JSON
  printf '\n$ buf curl ... /dmarcate.v1.%s -d %s\n' "$1" "$2" >&2
  $buf curl --http2-prior-knowledge --protocol grpc --reflect-protocol grpc-v1alpha \
    -H "authorization: Bearer $token" --reflect-header "authorization: Bearer $token" \
    -d "$2" "http://127.0.0.1:$port/dmarcate.v1.$1" | tee >(cat >&2)
}
within 30 call DomainService/ListDomains '{}' || fail "policyd does not answer"

if $buf curl --http2-prior-knowledge --protocol grpc --reflect-protocol grpc-v1alpha \
  --reflect-header "authorization: Bearer $token" -d '{}' \
  "http://127.0.0.1:$port/dmarcate.v1.DomainService/ListDomains" 2>"$work/refused"; then
  fail "a call without the token was answered"
fi
grep -qi unauthenticated "$work/refused" || fail "refused for another reason: $(cat "$work/refused")"
echo "ok: without the token: unauthenticated"

code=0
"$bin/dmarcate" --server 192.0.2.1:8460 --token-file "$work/policyd/token" domains list 2>"$work/refused" || code=$?
[ $code = 2 ] && grep -q -e '--ca-file' "$work/refused" || fail "the CLI would send the token without TLS"
echo "ok: no token leaves this host without TLS"

"$bin/demo_data" --out "$work/data" --days 20
DMARCATE_INGEST_SERVER=unix:$work/ingestd/socket "$bin/dmarcate" reports import "$work/data/maildir/new"
call DomainService/CreateDomain '{"domainId": "harbor.example"}' >/dev/null

has_sources() { call SourceService/ListSources '{"parent": "domains/harbor.example"}' 2>/dev/null | jq -e '.sources | length >= 4'; }
within 30 has_sources || fail "no sources"
source=$(call SourceService/ListSources '{"parent": "domains/harbor.example"}' |
  jq -c '.sources[] | select(.name == "domains/harbor.example/sources/sendgrid") | {name, evidenceEtag}')
[ -n "$source" ] || fail "sendgrid is not among the sources"
state=$(call SourceService/ApproveSource "$source" | jq -r .source.state)
[ "$state" = STATE_APPROVED ] || fail "the source is $state"
echo "ok: listed and approved by an independent client"
