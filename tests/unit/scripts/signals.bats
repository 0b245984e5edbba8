#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats and background() set
# Signals end a script through its EXIT trap, wherever the script is. The trap may wait and read.

load helpers

setup() {
    begin
    script waits <<'END'
# Like the EXIT trap of start.sh, it reads an answer that comes late, and writes a file.
cleanup() {
    {
        local word
        word=$(read -r -t 10 word < <(sleep 0.2; echo whole) && echo "$word")
        echo "$word"
    } | write_file "$VM_DIR.cleaned"
}
signals_catch
trap cleanup EXIT
case $1 in
pause) echo waiting; while true; do pause 0.1; done ;;
process) echo waiting; sleep 60 & echo "$!" >"$VM_DIR.pid"; wait "$!" ;;
esac
END
}

teardown() {
    end_background
    [[ ! -s $VM_DIR.pid ]] || kill -KILL "$(<"$VM_DIR.pid")" 2>/dev/null || true
}

# ended_by SIGNAL STATUS WHERE: sends SIGNAL to ./waits WHERE. It must exit with STATUS, after its EXIT trap.
ended_by() {
    rm -f -- "$VM_DIR.cleaned" "$BATS_TEST_TMPDIR/out.waits"
    background waits ./waits "$3"
    wait_until grep -q waiting "$BATS_TEST_TMPDIR/out.waits"
    kill "-$1" "$waits"
    background_ended waits "$2"
    same whole "$(<"$VM_DIR.cleaned")"
}

# bash 5.2.15 crashed in 9 of 10 runs if a trap called exit inside read -t.
@test "after a signal during pause, the EXIT trap completes, and the status is the signal's" {
    local _
    for _ in 1 2 3 4 5; do
        ended_by INT 130 pause
        ended_by TERM 143 pause
        ended_by HUP 129 pause
    done
}

@test "after a signal during wait for a process, the same holds" {
    ended_by INT 130 process
    ended_by TERM 143 process
    ended_by HUP 129 process
}

@test "a script whose messages cannot be written runs to its end" {
    script talks <<'END'
say lost
warn lost
error lost
echo on
END
    run bash -c './talks 2>/dev/full'
    same on "$output"
}
