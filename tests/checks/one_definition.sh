#!/usr/bin/env bash
# A name of a namespace means one type. Two types of one name in one program are undefined behaviour: the linker keeps one
# destructor for both and says nothing.
set -eu
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard -- '*.h' '*.cc' | xargs awk '
  FNR == 1 { space = ""; hidden = 0 }
  /^namespace {$/ { hidden = 1 }
  /^}  \/\/ namespace$/ { hidden = 0 }
  /^namespace [a-z_:]+ {$/ { space = $2 }
  !hidden && /^(struct|class|enum|enum class) [A-Za-z0-9_]+( final)?( : [^;]*)?( {|$)/ {
    name = space "::" ($2 == "class" ? $3 : $2)
    if (name in first && first[name] != FILENAME) {
      print FILENAME ": " name " is defined in " first[name] ", too"
      bad = 1
    }
    first[name] = FILENAME
  }
  END { exit bad }'
