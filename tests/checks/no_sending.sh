#!/usr/bin/env bash
# ingestd and what it is built from send no mail (DESIGN: no relaying, no bounces): libcurl, which could, is held to
# named protocols and gets no envelope; nothing else opens connections but those listed here.
set -eu
cd "$(dirname "$0")/../.."
status=0
sources() { git ls-files -co --exclude-standard -- 'lib/*.cc' 'lib/*.h' 'ingestd/*.cc' 'ingestd/*.h'; }

if sources | xargs grep -nE 'CURLOPT_MAIL_|CURLOPT_UPLOAD|smtps?://|\bsendmail\b'; then
  echo "ingestd receives mail and sends none"
  status=1
fi
for file in $(sources | xargs grep -l 'curl_easy_init'); do
  grep -q 'CURLOPT_PROTOCOLS_STR' "$file" || { echo "$file: name the protocols (CURLOPT_PROTOCOLS_STR)"; status=1; }
done

# DNS; probes for a Unix socket that is in use; the probe of mail servers, which offers no mail and which ingestd may not
# include (tests/checks/dependencies.sh); a child that an account's token_command names.
may_connect='lib/dns/exchange.cc lib/rpc/server.cc ingestd/intake/smtp/server.cc lib/inbound/smtp_probe.cc'
may_spawn='ingestd/intake/imap/account.cc'
unlisted() {  # PATTERN FILES
  local file
  for file in $(sources | xargs grep -lE "$1"); do
    case " $2 " in *" $file "*) ;; *) echo "$file: $3" && status=1 ;; esac
  done
}
unlisted '(^|[^_[:alnum:].>])(connect|sendto|sendmsg)\(|async_connect|ip::tcp::resolver' "$may_connect" \
  "opens a connection; if it has to, list it in tests/checks/no_sending.sh"
unlisted '\b(posix_spawnp?|popen|system|fork|execv[pe]*)\(' "$may_spawn" \
  "starts a program; if it has to, list it in tests/checks/no_sending.sh"
exit $status
