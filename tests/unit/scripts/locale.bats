#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# The user's locale affects neither the scripts' results nor their messages.

load helpers

# Locales with a decimal comma (0,5), and with their own sort order and language.
LOCALES='de_DE fr_FR es_ES'

setup_file() {
    local locale
    mkdir "$BATS_FILE_TMPDIR/locales"
    for locale in $LOCALES; do
        localedef -i "$locale" -f UTF-8 "$BATS_FILE_TMPDIR/locales/$locale.UTF-8" 2>/dev/null || rm -rf "$BATS_FILE_TMPDIR/locales"
    done
}

setup() {
    begin
    [[ -d $BATS_FILE_TMPDIR/locales ]] || skip "localedef cannot make $LOCALES: apt-get install locales"
    make_lab
}

# in_locale NAME COMMAND...
in_locale() {
    env LOCPATH="$BATS_FILE_TMPDIR/locales" LC_ALL="$1.UTF-8" LANG="$1.UTF-8" LANGUAGE="${1%_*}" "${@:2}"
}

@test "the locales of this file have a decimal comma" {
    local locale
    for locale in $LOCALES; do
        succeeds in_locale "$locale" bash -c 'LC_ALL=$LC_ALL printf %.1f 0,5'
        same 0,5 "$output"
    done
}

@test "numbers and sort order are the same in every locale, in bash and in its child processes" {
    local locale expected
    script numbers <<'END'
script_begin ''
printf '%.3f\n' 0.5
awk 'BEGIN { print 0.5, 1 / 8 }'
printf '%s\n' b A a B ä | sort
[[ $EPOCHREALTIME == *.* ]] && echo point
jq -n 0.5
text=ä
echo "${#text}"
END
    expected=$(printf '0.500\n0.5 0.125\nA\nB\na\nb\nä\npoint\n0.5\n1')
    for locale in C $LOCALES; do
        succeeds in_locale "$locale" ./numbers
        same "$expected" "$output"
        same '' "$stderr"
    done
}

@test "every script prints the same in every locale" {
    local script locale help bad
    for script in setup start stop run status bench; do
        succeeds env LC_ALL=C "./$script.sh" --help
        help=$output
        fails 2 env LC_ALL=C "./$script.sh" --no-such-option
        bad=$stderr
        for locale in $LOCALES; do
            succeeds in_locale "$locale" "./$script.sh" --help
            same "$help" "$output"
            fails 2 in_locale "$locale" "./$script.sh" --no-such-option
            same "$bad" "$stderr"
        done
    done
}

@test "bench.sh --report and --compare give the same output from the same records in every locale" {
    local locale file r=$BATS_TEST_TMPDIR/results
    for locale in C $LOCALES; do
        cp -r "$BATS_TEST_DIRNAME/fixtures/bench" "$r-$locale"
        succeeds in_locale "$locale" ./bench.sh --report "$r-$locale"
        for file in report.md report.html summary.csv bandwidth.svg; do
            same "$(<"$r-C/$file")" "$(<"$r-$locale/$file")"
        done
        succeeds in_locale "$locale" ./bench.sh --compare "$r-C" "$r-$locale"
        prints '0 worse, 0 better: by more than 10 %'
    done
}
