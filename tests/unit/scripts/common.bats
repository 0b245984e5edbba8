#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# lib/common.sh: what a command printed, and how it ended.

load helpers

setup() {
    begin
}

@test "lines_of and items_of: what a command prints, item by item; an empty one is one, too" {
    script items <<'END'
several() { printf '%s\0' 'a  b' '' $'two\nlines' 0; }
nothing() { :; }
items_of found several
printf '<%s>' "${found[@]}"
items_of found nothing
printf ' %s' "${#found[@]}"
lines_of found printf '%s\n' 'a  b' '' c
printf ' <%s>' "${found[@]}"
lines_of found nothing
printf ' %s' "${#found[@]}"
END
    succeeds ./items
    same $'<a  b><><two\nlines><0> 0 <a  b> <> <c> 0' "$output"
}

@test "lines_of and items_of fail as the command does, at its first failure; items_from says how" {
    local call
    for call in 'items_of found half' 'lines_of found half' 'items_from found status half; exit "$status"'; do
        script half <<END
half() { (exit 3); echo more >&2; }
$call
echo afterwards
END
        fails 3 ./half
        same '' "$output"
        says_not more
    done
    script killed <<'END'
killed() { printf 'one\0'; kill -9 "$BASHPID"; }
items_of found killed
END
    fails 1 ./killed
}
