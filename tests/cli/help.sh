#!/bin/bash
# Every command that does something has an example in its help, and every example is a command line
# that the parser knows as far as its words go: `dmarcate WORDS --help` answers for it. Every command
# has its place in docs/cli.md.
# usage: help.sh; DMARCATE_BIN names the folder of the programs, DMARCATE_MANUAL docs/cli.md
set -euo pipefail
dmarcate=${DMARCATE_BIN:?}/dmarcate
failed=0 leaves=0
# What the table there has between backquotes: "changes plan, diff, terms", a line each.
documented=$(sed -n '/^|/p' "${DMARCATE_MANUAL:?}" | grep -oE '`[^`]+`' | tr -d '`')

# The names under "Subcommands:" of a help.
subcommands() { sed -n '/^Subcommands:/,/^$/p' <<<"$1" | sed -nE 's/^  ([a-z][a-z-]*).*/\1/p'; }

visit() {
  local names name help example
  help=$("$dmarcate" "$@" --help)
  names=$(subcommands "$help")
  for name in $names; do visit "$@" "$name"; done
  example=$(sed -nE '/^Examples:/,$ s/^  dmarcate (.*)/\1/p' <<<"$help")
  if [ -n "$names" ]; then
    # A group shows examples of its own commands.
    if grep -qv "^$* " <<<"$example"; then
      echo "dmarcate $*: its examples are of other commands: $example"
      failed=1
    fi
    return 0
  fi
  leaves=$((leaves + 1))
  if [ -z "$example" ]; then
    echo "dmarcate $*: its help has no example"
    failed=1
  elif ! grep -q "^$*\( \|$\)" <<<"$example"; then
    echo "dmarcate $*: its examples are of another command: $example"
    failed=1
  fi
  if ! is_documented "$@"; then
    echo "dmarcate $*: docs/cli.md does not have it"
    failed=1
  fi
}

# The group, and the verb behind it.
is_documented() {
  local verb=${!#} group=$*
  group=${group%"$verb"}
  grep -qE "^$group(.*[ ,])?$verb([ ,]|\$)" <<<"$documented"
}

for name in $(subcommands "$("$dmarcate" --help)"); do visit "$name"; done
[ "$leaves" -ge 40 ] || { echo "only $leaves commands were found: is the help laid out otherwise?"; failed=1; }
[ "$failed" = 0 ] && echo "ok: $leaves commands"
exit "$failed"
