#!/usr/bin/env bash
# What decides does no IO and reads no clock: the directories marked PURE include and call none of it.
set -eu
cd "$(dirname "$0")/../.."
list=${DMARCATE_BUILD:-build}/pure_directories.txt
[ -s "$list" ] || { echo "$list is missing; configure first"; exit 1; }
status=0
while read -r directory; do
  [ -n "$directory" ] || continue
  if grep -rnE '#include (<(fstream|iostream|filesystem|thread|chrono|random|fcntl\.h|unistd\.h|sys/socket\.h|curl/.*|ldns/.*)>|"(absl/time/clock\.h|lib/base/(clock|file|random|log)\.h|rocksdb/.*|spdlog/.*)")|absl::Now\(|std::getenv|\btime\(nullptr\)' \
    --include='*.h' --include='*.cc' "$directory"; then
    echo "$directory is PURE: values in, values out, now as an argument"
    status=1
  fi
done <"$list"
exit $status
