#!/bin/bash
# Every command that does something has an example in its help, and every example is a command line
# that the parser knows as far as its words go: `dmarcate WORDS --help` answers for it.
# usage: help.sh; DMARCATE_BIN names the folder of the programs
set -euo pipefail
dmarcate=${DMARCATE_BIN:?}/dmarcate
failed=0 leaves=0

# The names under "Subcommands:" of the help of a command.
subcommands() { "$dmarcate" "$@" --help | sed -n '/^Subcommands:/,/^$/p' | sed -nE 's/^  ([a-z][a-z-]*).*/\1/p'; }

visit() {
  local names name help example words
  names=$(subcommands "$@")
  for name in $names; do visit "$@" "$name"; done
  if [ -n "$names" ]; then
    # A group shows examples of its own commands.
    example=$("$dmarcate" "$@" --help | sed -nE '/^Examples:/,$ s/^  dmarcate (.*)/\1/p')
    if grep -qv "^$* " <<<"$example"; then
      echo "dmarcate $*: its examples are of other commands: $example"
      failed=1
    fi
    return 0
  fi
  leaves=$((leaves + 1))
  help=$("$dmarcate" "$@" --help)
  example=$(sed -nE '/^Examples:/,$ s/^  dmarcate (.*)/\1/p' <<<"$help")
  if [ -z "$example" ]; then
    echo "dmarcate $*: its help has no example"
    failed=1
  elif ! grep -q "^$*\( \|$\)" <<<"$example"; then
    echo "dmarcate $*: its examples are of another command: $example"
    failed=1
  fi
}

for name in $(subcommands); do visit "$name"; done
[ "$leaves" -ge 40 ] || { echo "only $leaves commands were found: is the help laid out otherwise?"; failed=1; }
[ "$failed" = 0 ] && echo "ok: $leaves commands"
exit "$failed"
