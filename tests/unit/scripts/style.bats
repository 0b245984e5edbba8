#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Rules for the source files.

load helpers

setup() {
    cd "$REPO" || return
    git rev-parse --is-inside-work-tree >/dev/null 2>&1 || skip 'not a git checkout'
}

# Lists the project's files: those that git tracks, and new ones that it does not ignore.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

# Lists the shell scripts among them, found by name or by first line.
shell_files() {
    local file line
    files | while IFS= read -r file; do
        case $file in
        *.sh | *.bash | *.bats) printf '%s\n' "$file" ;;
        *)
            IFS= read -r line <"$file" || true
            [[ ! $line =~ ^#!.*[/\ ](bash|sh)( |$) ]] || printf '%s\n' "$file"
            ;;
        esac
    done 2>/dev/null
}

@test "shellcheck finds nothing in the scripts" {
    local -a scripts
    mapfile -t scripts < <(shell_files | grep -vE '\.bats$|^(lib|setup|bench|run)/|^(config|setup|start|stop|run|status|bench)\.sh$')
    ((${#scripts[@]} >= 8)) || failure "too few: ${scripts[*]}"
    succeeds xargs -d '\n' -n 2 -P "$(nproc)" shellcheck -x -- < <(printf '%s\n' "${scripts[@]}")
}

# Lists the files that doors source. None of them runs anything by itself.
room_files() {
    files 'lib/*.sh' 'setup/*.sh' 'bench/*.sh' 'run/*.sh'
}

@test "shellcheck finds nothing in the files that doors source" {
    local -a files
    mapfile -t files < <(room_files; echo config.sh)
    # Alone, a file does not show what the other files set and use.
    succeeds shellcheck --exclude=SC1091,SC2034,SC2153,SC2154 -- "${files[@]}"
}

@test "shellcheck finds nothing in the tests" {
    local -a tests
    mapfile -t tests < <(files '*.bats')
    # bats sets variables, stops at a failing cd, and runs each test in a subshell.
    succeeds shellcheck --severity=warning --exclude=SC2154,SC2164,SC2030,SC2031 -- "${tests[@]}"
}

# `f || …`, `if f`, `f &&` and `! f` switch errexit off in f and in every function that it calls (bash(1), set -e). Only
# predicates may be called like that: functions that look at something, change nothing, and answer by their status.
PREDICATES=(
    given have due lab_foreign size_in_bytes size_of as_user in_root
    step_due step_ready fallback_unwanted bootstrap_script oom_kills
    kernel_config_has host_missing apt_has_lists apt_lock_holder dpkg_interrupted plan_names release_signed
    release_expired proxy_excepts packages_extend url_has_login host_is_loopback
    process_confirm process_find process_foreign process_option process_stopped
    vms_wanted vms_running vm_running vm_pid vm_parent vm_session vm_mode vm_ready vm_halted vm_ended vm_state vm_word
    vm_run_state vm_vcpus vm_cpus vm_failed_unit vm_ssh_port ssh_knows qmp server_pid server_runs shmem_path shmem_user
    base_image disk_files disk_untouched
    qemu_has_dgram qemu_has_large_bar hugepages_too_large accel_recall bench_empty bench_on_terminal
    fetch fetch_part # their status is the result of the download; they check each command themselves
)

@test "shellcheck finds nothing in the doors, and errexit is switched off in predicates alone" {
    local door code file line from to text name
    local -a found=()
    while IFS=$'\t' read -r code file line from to text; do
        name=$(sed -n "${line}p" "$file" | cut -c "$from-$((to - 1))")
        [[ $code == 2310 && " ${PREDICATES[*]} " == *" $name "* ]] || found+=("$file:$line: $name: $text")
    done < <(for door in setup start stop run status bench; do
        # All that it says of the door, and where errexit is off in what the door sources: each takes seconds to read.
        shellcheck -x -a --enable=check-set-e-suppressed --format=json1 "$door.sh" | jq --arg door "$door.sh" -r \
            '.comments[] | select(.code == 2310 or .file == $door) | [.code, .file, .line, .column, .endColumn, .message] | @tsv'
    done | sort -u)
    ((${#found[@]} == 0)) || failure "$(printf '%s\n' "${found[@]}")"
}

@test "bash can parse every script" {
    local script
    while read -r script; do
        succeeds bash -n "$script"
    done < <(shell_files | grep -v '\.bats$')
}

@test "the scripts at the top are executable, short and strict" {
    local script
    for script in setup.sh start.sh stop.sh run.sh status.sh $(files 'bench.sh'); do
        [[ -x $script ]] || failure "$script is not executable"
        (($(wc -l <"$script") <= 300)) || failure "$script is longer than 300 lines"
        grep -q '^set -euo pipefail$' "$script" || failure "$script does not set -euo pipefail"
        grep -q '^shopt -s inherit_errexit$' "$script" || failure "$script does not set inherit_errexit"
    done
    for script in $(room_files); do
        (($(wc -l <"$script") <= 300)) || failure "$script is longer than 300 lines"
    done
}

@test "no script waits for a process substitution, of which bash 5.2 may say 255 though it succeeded" {
    refuted grep 'wait "\$!"' < <(grep -rA 1 --include='*.sh' -e '< <(' "$REPO"/{lib,setup,run,bench})
}

@test "no source file is longer than 400 lines" {
    local file
    local -a long=()
    while IFS= read -r file; do
        (($(wc -l <"$file") <= 400)) || long+=("$file: $(wc -l <"$file") lines")
    done < <(shell_files; files '*.[ch]' '*.jq' '*.gp' '*.awk' '*Makefile')
    ((${#long[@]} == 0)) || failure "$(printf '%s\n' "${long[@]}")"
}

# Names that mean the same in every program: its description, its options, its faults for --inject, when a fault comes, the
# vector that it waits for, and the version of the server's protocol.
CONVENTIONS='main|program|longs|OPTION_[A-Z]+|faults|FAULT_[A-Z]+|injected|INJECT_AFTER|VECTOR|PROTOCOL_VERSION'

@test "no file-scope name in C means different things in different programs" {
    local -a sources
    mapfile -t sources < <(files 'prog/*.[ch]' 'server/*.[ch]' 'driver/*.[ch]')
    ctags-universal -x --kinds-C=defgstuv --_xformat='%N %F' "${sources[@]}" >"$BATS_TEST_TMPDIR/names"
    (($(wc -l <"$BATS_TEST_TMPDIR/names") > 1000)) || failure "ctags lists too few names"
    # A folder is one program; a file directly in prog/ is a program by itself. ctags says __anon for what has no name.
    refuted grep . < <(grep -vE "^(__anon[^ ]*|$CONVENTIONS) " "$BATS_TEST_TMPDIR/names" | awk '{
            program = $2
            if (program !~ /^prog\/[^\/]*$/) sub(/\/[^\/]*$/, "", program)
            sub(/\/include$/, "", program)
            if ($1 in home && home[$1] != program) print $1 ": " home[$1] " and " program
            home[$1] = program
        }' | sort -u)
}

@test "config.sh is not executable: scripts source it" {
    [[ ! -x config.sh ]] || failure 'config.sh is executable'
    refuted grep '^100755' <(git ls-files --stage -- config.sh)
}

@test "config.sh has only comments and knobs, and each knob has a comment" {
    local other line commented=no
    other=$(grep -vE '^(#.*|: "\$\{[A-Z][A-Z0-9_]*:=[^"$`]*\}"|)$' config.sh) || true
    same '' "$other"
    while IFS= read -r line; do
        case $line in
        '# ---'* | '') commented=no ;;
        '#'*) commented=yes ;;
        # A knob right below another shares its comment, or its name and the group's comment explain it.
        ':'*) [[ $commented == yes ]] || failure "no comment above $line" ;;
        esac
    done <config.sh
}

@test "sourcing config.sh only sets knobs" {
    run -0 env -i PATH="$PATH" bash -c 'before=$(compgen -v; compgen -A function; set -o; shopt); . ./config.sh
        diff <(echo "$before") <(compgen -v; compgen -A function; set -o; shopt) | sed -n "s/^[<>] //p" | grep -vxE "before|_|PIPESTATUS|BASH_LINENO|FUNCNAME" || true'
    same "$(knobs | sort)" "$(sort <<<"$output")"
}

@test "sourcing the files of lib/ and of the rooms has no effect: no output, no file, no changed option" {
    mkdir "$BATS_TEST_TMPDIR/empty"
    succeeds bash -c 'cd "$1" && before=$(set +o; shopt -p; trap) && . "$2/lib/load.sh" && . "$2/setup/load.sh" && . "$2/bench/load.sh" && . "$2/run/load.sh" && [[ $before == "$(set +o; shopt -p; trap)" ]]' \
        - "$BATS_TEST_TMPDIR/empty" "$REPO"
    same '' "$output$stderr"
    same '' "$(ls -A "$BATS_TEST_TMPDIR/empty")"
}

@test "each room's load.sh loads every file of the room" {
    local file
    for file in $(room_files); do
        [[ $file == */load.sh ]] || grep -qF "/$file\"" "${file%/*}/load.sh" || failure "$file is not loaded"
    done
}

# Lists the calls between the files that doors source, one per line: the caller's file and the callee's.
calls() {
    local -a rooms
    mapfile -t rooms < <(room_files)
    # shellcheck disable=SC2016 # for awk
    awk '
        FNR == 1 { file = FILENAME; pass += file == first; first = first ? first : file; pass = pass ? pass : 1 }
        pass == 1 { if (match($0, /^[a-z_0-9]+\(\)/)) home[substr($0, 1, RLENGTH - 2)] = file; next }
        /^[ \t]*#/ { next }
        {
            sub(/ # .*/, "")
            n = split($0, words, /[^a-z_0-9]+/)
            for (i = 1; i <= n; i++)
                if (words[i] in home && home[words[i]] != file) print file, home[words[i]]
        }' "${rooms[@]}" "${rooms[@]}" | sort -u
}

@test "calls between files form no cycle; lib/ calls no room, and no room calls another" {
    calls | tsort >/dev/null || failure 'the files in a loop are above'
    refuted awk '{ sub("/.*", "", $1); sub("/.*", "", $2) } $1 != $2 && $2 != "lib" { print; found = 1 } END { exit !found }' <(calls)
}

# Lists the includes of the project's headers, a line each: the file and the header, with their folders.
includes() {
    local -a sources
    mapfile -t sources < <(files 'prog/*.[ch]' 'server/*.[ch]')
    awk '{ name = $1; sub(/.*\//, "", name) } FNR == NR { home[name] = $1; next } $2 in home { print $1, home[$2] }' \
        <(printf '%s\n' "${sources[@]}") <(grep -oE '^#include "[^"]+"' "${sources[@]}" |
        sed -E 's/:#include "(.*\/)?([^"/]+)"/ \2/')
}

@test "headers include each other without a cycle, and no program includes a header of another one" {
    (($(includes | wc -l) > 200)) || failure 'too few includes'
    includes | tsort >/dev/null || failure 'the files in a loop are above'
    refuted grep . < <(includes | awk '{ split($1, from, "/"); split($2, to, "/") }
        $2 ~ /^prog\/[a-z]+\// && to[2] != "lib" && from[2] != to[2]')
}

@test "no file contains a path of the development machine" {
    local -a all
    mapfile -t all < <(files)
    refuted grep -nE '(^|[^A-Za-z0-9_})])/(work|root/[w])/' "${all[@]}"
}

@test "no trailing whitespace and no tabs in scripts, and a newline at the end of each" {
    local file
    local -a scripts
    mapfile -t scripts < <(shell_files)
    refuted grep -nE '[[:space:]]$' "${scripts[@]}"
    refuted grep -nP '^ *\t' "${scripts[@]/%*.bats/\/dev\/null}" # where a test writes C or make, it may
    for file in "${scripts[@]}"; do
        same '' "$(tail -c 1 "$file")"
    done
}
