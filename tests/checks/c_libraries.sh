#!/usr/bin/env bash
# One C library, one directory: its headers are seen there and nowhere else (DESIGN: layout).
set -eu
cd "$(dirname "$0")/../.."
rules='
<ldns/ lib/dns
<curl/ lib/http lib/imap policyd/notify
<gmime/ lib/mail
<zlib.h> lib/archive
<zip.h> lib/archive
<libdeflate.h> lib/archive
<archive.h> cli/import
<archive_entry.h> cli/import
<pugixml lib/report policyd/provider
"pugixml lib/report policyd/provider
<libpsl.h> lib/mailauth
<idn2.h> lib/mailauth
<rocksdb/ lib/store
"rocksdb/ lib/store
<systemd/ lib/rpc
'
status=0
while read -r header directories; do
  [ -n "$header" ] || continue
  found=$(git grep -nF "#include $header" -- 'lib/*.cc' 'lib/*.h' 'ingestd/*' 'policyd/*' 'cli/*' | grep -vE "^(${directories// /|})/" || true)
  if [ -n "$found" ]; then
    echo "$header belongs to $directories:"
    echo "$found"
    status=1
  fi
done <<<"$rules"
# ldns.h turns bool, true and false into macros: only .cc files see it.
if git grep -n '#include <ldns/' -- '*.h'; then
  echo "ldns headers are for .cc files only"
  status=1
fi
exit $status
