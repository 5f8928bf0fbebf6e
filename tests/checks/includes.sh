#!/usr/bin/env bash
# Each target sees what it includes: its own files, or the headers of the targets that it depends on. CMake does not ask
# (all headers lie below one include directory); Bazel builds each target with no other files than these.
set -eu
cd "$(dirname "$0")/../.."
rendered=${DMARCATE_BUILD:-build}/bazel
[ -s "$rendered/files.txt" ] || { echo "$rendered/files.txt is missing; configure first"; exit 1; }

includes=$(git ls-files -co --exclude-standard -- '*.h' '*.cc' |
  xargs grep -HoE '^#include "(lib|ingestd|policyd|cli|tests|bench)/[^"]*\.h"' | sed -E 's/:#include "(.*)"$/ \1/')

(cd "$rendered" && xargs awk '
    FNR == 1 { package = FILENAME; sub("/?BUILD.bazel$", "", package) }
    /^    name = / { split($0, part, "\""); print "rule", "//" package ":" part[2] }
    /^    [a-z]+ = \[/ { attribute = $1 }
    /^    ]/ { attribute = "" }
    /^        "/ && attribute ~ /^(srcs|hdrs|deps)$/ {
      split($0, part, "\"")
      print attribute, attribute == "deps" ? part[2] : package "/" part[2]
    }' <files.txt; echo includes; echo "$includes") |
  awk '
    function sees(rule, header, asked,   i) {  # asked: the targets that were looked at
      if (rule in asked) return 0
      asked[rule]
      if ((rule, header) in gives) return 1
      for (i = 1; i <= deps[rule]; i++) if (sees(dep[rule, i], header, asked)) return 1
      return 0
    }
    $1 == "includes" && NF == 1 { listed = 1; next }
    !listed && $1 == "rule" { rule = $2 }
    !listed && $1 == "deps" { dep[rule, ++deps[rule]] = $2 }
    !listed && $1 == "hdrs" { gives[rule, $2] }
    !listed && ($1 == "hdrs" || $1 == "srcs") { owner[$2, ++owners[$2]] = rule; own[rule, $2] }
    listed {
      for (i = 1; i <= owners[$1]; i++) {
        rule = owner[$1, i]
        split("", asked)
        if ((rule, $2) in own || !owners[$2] || sees(rule, $2, asked)) continue
        print $1 ": includes " $2 ", which " rule " does not depend on"
        bad = 1
      }
    }
    END { exit bad }'
