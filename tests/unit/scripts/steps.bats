#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats and background() set
# The engine of setup.sh's steps, tested with small made-up steps: which are skipped, which run again, and what happens if
# a step fails or is killed.

load helpers

setup() {
    begin
    make_lab
    export WORLD=$BATS_TEST_TMPDIR/world
    mkdir "$WORLD"
    echo 1 >"$WORLD/size"
    echo red >"$WORLD/colour"
    # ./steps [--force] STEP...: runs steps as setup.sh does. The file $WORLD/NAME has the commands of step NAME,
    # $WORLD/needs the dependencies of the steps.
    script steps <<'END'
if [[ $1 == --force ]]; then
    shift
    steps_force "$@"
fi
for name; do
    eval "
        inputs_$name() { printf 'size=%s\ncolour=%s\n' \"\$(<$WORLD/size)\" \"\$(<$WORLD/colour)\"; }
        present_$name() { [[ -e $VM_DIR/$name.result ]]; }
        step_$name() { $(<"$WORLD/$name"); }"
done
[[ ! -e $WORLD/needs ]] || eval "STEP_NEEDS=($(<"$WORLD/needs"))"
config_load
lab_create
lab_lock 60
signals_catch
trap steps_stop EXIT
mkdir -p "$VM_DIR/log" "$VM_DIR/steps"
steps_run "$@"
say 'all steps are done'
END
    # Each step appends a line to $WORLD/did and makes its result.
    step good
}

teardown() {
    local pid
    end_background
    while read -r pid; do
        # Only if the pid is still the test's process: its command line has the test's folder.
        ! grep -qaF "$WORLD" "/proc/$pid/cmdline" 2>/dev/null || kill -KILL "$pid"
    done < <(cat "$WORLD"/pid.* 2>/dev/null)
}

# step NAME [COMMANDS]: makes a step, which runs COMMANDS first.
step() {
    printf '%s\necho "%s" >>"$WORLD/did"\ntouch "$VM_DIR/%s.result"\n' "${2:-true}" "$1" "$1" >"$WORLD/$1"
}

# Prints the steps that were completed, in order.
did() {
    paste -sd ' ' "$WORLD/did" 2>/dev/null || true
}

# --- Which steps are due

@test "a step runs once, and is then skipped" {
    succeeds ./steps good
    says 'not done yet' 'good' 'done' 'all steps are done'
    succeeds ./steps good
    says 'nothing to do' 'all steps are done'
    same good "$(did)"
}

@test "a step runs again if an input changed, and the input is named" {
    succeeds ./steps good
    echo 2 >"$WORLD/size"
    succeeds ./steps good
    says 'changed: size'
    says_not colour
    echo blue >"$WORLD/colour"
    echo 3 >"$WORLD/size"
    succeeds ./steps good
    says 'changed: colour size'
    succeeds ./steps good
    says 'nothing to do'
    same 'good good good' "$(did)"
}

@test "a step runs again if an input was removed" {
    succeeds ./steps good
    echo 'more=1' >>"$VM_DIR/steps/good"
    succeeds ./steps good
    says 'changed'
    same 'good good' "$(did)"
}

@test "a step does not run again if a file was only touched" {
    succeeds ./steps good
    touch "$WORLD/size"
    succeeds ./steps good
    same good "$(did)"
}

@test "a step runs again if its result is gone" {
    succeeds ./steps good
    rm "$VM_DIR/good.result"
    succeeds ./steps good
    says 'its result is gone'
    same 'good good' "$(did)"
}

@test "--force runs a step again although nothing changed" {
    succeeds ./steps good
    succeeds ./steps --force good
    says --force
    same 'good good' "$(did)"
}

@test "if an input changes while the step runs, the next call runs it again" {
    step good 'echo 2 >"$WORLD/size"'
    succeeds ./steps good
    step good
    succeeds ./steps good
    says 'changed: size'
}

# --- Failure

@test "a step that fails is named, with its log and the log's last lines; the next call runs it again" {
    step bad 'seq 100; echo "bad.sh: error: the moon is full" >&2; false'
    fails 1 ./steps bad
    says 'step bad failed' 'the moon is full' "$VM_DIR/log/bad.log" ./setup.sh '    100'
    says_not 'all steps'
    grep -qx 50 "$VM_DIR/log/bad.log"
    [[ ! -e $VM_DIR/steps/bad ]]
    step bad
    succeeds ./steps bad
    same bad "$(did)"
}

@test "a step ends at its first failing command, also in functions and substitutions" {
    local command
    for command in 'false' 'f() { false; echo on; }; f' 'x=$(false; echo on)' 'false | cat' 'exit 3' 'kill -KILL $BASHPID' 'echo $nowhere'; do
        step bad "$command"
        fails 1 ./steps bad
        says 'step bad failed'
    done
    same '' "$(did)"
}

@test "a step that fails when it runs again no longer counts as done" {
    succeeds ./steps good
    echo 2 >"$WORLD/size"
    step good 'false'
    fails 1 ./steps good
    echo 1 >"$WORLD/size"
    step good
    succeeds ./steps good
    says_not 'nothing to do'
}

@test "if one of two parallel steps fails, the other is completed, and only the failed one is named" {
    step bad 'false'
    fails 1 ./steps good bad
    says 'step bad failed'
    says_not 'step good failed'
    same good "$(did)"
    step bad
    succeeds ./steps good bad
    same 'good bad' "$(did)"
}

@test "step_notice shows its message to the user, other output of a step stays in the log" {
    step good 'step_notice "taken from elsewhere"; echo "not for the user"'
    succeeds ./steps good
    says 'warning: taken from elsewhere'
    says_not 'not for the user'
}

@test "a step does not read setup.sh's stdin" {
    step good 'cat'
    succeeds ./steps good < <(echo 'for nobody')
    refuted grep -q nobody "$VM_DIR/log/good.log"
}

# --- In parallel

@test "two steps run in parallel: here each waits for the other" {
    mkfifo "$WORLD/there" "$WORLD/back"
    step left 'echo hello >"$WORLD/there"; read -r _ <"$WORLD/back"'
    step right 'read -r _ <"$WORLD/there"; echo hello >"$WORLD/back"'
    background steps timeout 300 ./steps left right
    background_ended steps 0
    same 'left right' "$(tr ' ' '\n' <<<"$(did)" | sort | paste -sd ' ')"
}

@test "a step begins as soon as the steps that it needs are done" {
    # Step slow ends only after step last has begun.
    mkfifo "$WORLD/begun"
    step slow 'read -r _ <"$WORLD/begun"'
    step first
    step last 'echo begun >"$WORLD/begun"'
    echo '[last]="first good" [good]=first' >"$WORLD/needs"
    background steps timeout 300 ./steps last slow good first
    background_ended steps 0
    same 'first good' "$(did | cut -d ' ' -f 1,2)"
    same 'first good last slow' "$(did | tr ' ' '\n' | sort | paste -sd ' ')"
}

@test "a step begins at once if the step that it needs has nothing to do" {
    succeeds ./steps good
    step last
    echo '[last]=good' >"$WORLD/needs"
    succeeds ./steps last good
    same 'good last' "$(did)"
}

@test "a step does not wait for a needed step that the call does not include" {
    step last
    echo '[last]=good' >"$WORLD/needs"
    succeeds ./steps last
    same last "$(did)"
}

@test "if a step fails, the steps that need it do not begin; others are completed" {
    step bad false
    step last
    echo '[last]=bad' >"$WORLD/needs"
    fails 1 ./steps last bad good
    says 'step bad failed'
    says_not 'last'
    same good "$(did)"
    step bad
    succeeds ./steps last bad good
    same 'good bad last' "$(did)"
}

# --- Killed in the middle

# Makes a step that starts a child and a grandchild, which wait forever.
endless_step() {
    mkfifo "$WORLD/never"
    step endless '
        bash -c "echo \$\$ >$WORLD/pid.child; bash -c \"echo \\\$\\\$ >$WORLD/pid.grandchild; cat $WORLD/never; true\"; true"'
}

killed_by() {
    endless_step
    background steps ./steps endless
    wait_until test -s "$WORLD/pid.grandchild"
    kill "-$1" "$steps"
    background_ended steps "$2"
    wait_until gone "$(<"$WORLD/pid.child")"
    wait_until gone "$(<"$WORLD/pid.grandchild")"
    same '' "$(did)"
    [[ ! -e $VM_DIR/steps/endless ]]
    flock --nonblock "$VM_DIR/lock" true || failure 'something still has the lock'
    step endless
    succeeds ./steps endless
    says 'not done yet'
    same endless "$(did)"
}

@test "after Ctrl-C during a step, no process is left, and the next call runs the step again" {
    killed_by INT 130
    grep -q 'endless.*stopped' "$BATS_TEST_TMPDIR/out.steps"
}

@test "after SIGTERM during a step, the same holds" {
    killed_by TERM 143
}

@test "after SIGHUP during a step, as from a closed terminal, the same holds" {
    killed_by HUP 129
}

@test "if one of two steps has failed and setup.sh is killed, the other step is ended" {
    endless_step
    step bad false
    background steps ./steps endless bad
    wait_until test -s "$WORLD/pid.grandchild"
    wait_until grep -q 'bad.*failed' "$BATS_TEST_TMPDIR/out.steps"
    kill -TERM "$steps"
    background_ended steps 143
    wait_until gone "$(<"$WORLD/pid.grandchild")"
}
