#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# __latency, polling. Two processes on one file take the place of two VMs.

load prog.bash

AREA=$((0x10000)) PLACES=$((0x11000)) PLACE=512

# both STATUS OPTION...: runs two at once, named one and two; both end with that status.
both() {
    background one __latency -f region "${@:2}"
    background two __latency -f region "${@:2}"
    background_ended one "$1"
    background_ended two "$1"
}

@test "two find each other, in either order; one measures, one answers" {
    for folder in "$SANITIZED" "$STATIC"; do
        PATH=$folder:$PATH
        background one __latency -f region -n 200
        wait_until grep -q 'waiting for __latency: run this program in another VM' err.one
        succeeds __latency -f region -n 200
        [[ $output =~ ^'answered '[0-9]+' round trips of ' ]] || [[ $output == *': 200 round trips in '* ]]
        echo "$output" >out.two
        background_ended one 0
        same 1 "$(cat out.one out.two | grep -c ': 200 round trips in ')"
        same 1 "$(cat out.one out.two | grep -c '^answered ')"
    done
}

@test "the figures: in order, on one screen, and one way is not called measured" {
    both 0 -n 500
    screen=$(grep -l 'round trip in us' out.one out.two)
    (($(wc -l <"$screen") <= 30))
    (($(wc -L <"$screen") <= 100))
    grep -q '^mapping file, accelerator .*, clock: [0-9]* ns a reading, steps of [0-9.]* ns$' "$screen"
    grep -qE '^waiting: [^ ]+ polled; [^ ]+ polled$' "$screen"
    same 2 "$(cat out.one out.two | grep -cE '^used here: [0-9]+\.[0-9] % of a CPU, 0 sleeps, 0 interrupts, 0 of them late$')"
    grep -q '^half of the median, called one way and not measured: ' "$screen"
    sed -n 's/^round trip in us: *min \(.*\)  median \(.*\)  p99 \(.*\)  p99.9 \(.*\)  max \(.*\)$/\1 \2 \3 \4 \5/p' "$screen" |
        awk '{ exit !(0 < $1 && $1 <= $2 && $2 <= $3 && $3 <= $4 && $4 <= $5) }'
}

@test "--json: a record each; the histogram has every round trip" {
    both 0 -n 500 --json
    same 1 "$(wc -l <out.one)"
    same 1 "$(wc -l <out.two)"
    cat out.one out.two | jq -se 'sort_by(.record) | .[0] as $m | .[1] as $a |
        $m.record == "latency" and $m.program == "__latency" and $m.count == 500 and
        $m.from_seat == 0 and $m.to_seat == 1 and
        0 < $m.min_us and $m.min_us <= $m.median_us and $m.median_us <= $m.p99_us and
        $m.p99_us <= $m.p999_us and $m.p999_us <= $m.max_us and
        ($m.histogram_us | map(.[1]) | add) == 500 and
        ($m.histogram_us | map(.[0]) | . == sort and .[-1] <= $m.max_us) and
        ($m.half_median_us * 2 - $m.median_us | fabs) < 0.001 and
        $m.mode == "polled" and $m.poll_us == null and $m.other_mode == "polled" and
        $m.sleeps == 0 and $m.interrupts == 0 and $m.late == 0 and
        $m.cpu_percent > 0 and $a.cpu_percent > 0 and $a.mode == "polled" and
        $m.one_way == "half a round trip, not measured" and
        $a.record == "latency-answers" and
        $a.count == $m.count + $m.warm_up + (if $m.mean_of_64_us then 64 * 101 else 0 end)'
}

# coarse STEP: from here on, __latency is one whose clock steps by so many ticks.
coarse() {
    gcc -std=gnu11 -D_GNU_SOURCE "-DTICKS_STEP=$1" -I "$PROG" -I "$PROG/lib/include" -o __latency "$PROG"/latency/*.c \
        "$PROG/lib/ticks.c" "$STATIC/libshmem.a"
    PATH=$PWD:$PATH
}

@test "the clock's step is measured; a fine one needs no mean of many" {
    both 0 -n 500 --json
    cat out.one out.two | jq -se 'map(select(.record == "latency"))[0] | .clock_step_us >= .clock_tick_us and
        has("mean_of_64_us") and (.mean_of_64_us == null) == (.clock_step_us <= 0.02 * .median_us)'
}

@test "a clock that is too coarse for a round trip: the mean of 64 between two readings" {
    coarse 5000
    both 0 -n 500 --json
    # All that the clock tells of one round trip is a multiple of its step. The mean is more than that.
    cat out.one out.two | jq -se 'sort_by(.record) | .[0] as $m | .[1] as $a |
        ($m.clock_step_us / $m.clock_tick_us | . > 4999.9 and . < 5000.1) and
        ($m.min_us / $m.clock_step_us | . - round | fabs < 0.001) and
        $m.mean_of_64_us > 0 and ($m.mean_of_64_us * 64 / $m.clock_step_us | . - round | fabs < 0.001) and
        $m.count == 500 and $a.count == $m.count + $m.warm_up + 64 * 101'
    both 0 -n 500
    same 1 "$(cat out.one out.two | grep -cE '^the clock is too coarse for one; the mean of 64 between two readings: [0-9.]+ us$')"
    both 0 -n 500 --matrix 2
    same 2 "$(cat out.one out.two | grep -cE ' +[0-9]+\.[0-9] +0  mean of 64: [0-9.]+$')"
    (($(nproc) >= 2)) || return 0
    succeeds __latency --cpus -n 500
    prints '(up to ' ' ns the mean of 64, since the clock steps by '
    succeeds __latency --cpus -n 500 --json
    jq -e '.mean_of_64_us > 0 and .clock_step_us > 0' <<<"$output"
}

# measured OPTION...: the record of the side that measures, of two.
measured() {
    both 0 --json "$@"
    jq -c 'select(.record == "latency")' out.one out.two
}

@test "a closed loop, the default, says what it is" {
    both 0 -n 100
    same 1 "$(cat out.one out.two | grep -c '^closed loop: a message waits for the last answer, so a stall is one sample (see --every)$')"
    measured -n 100 | jq -e '.loop == "closed" and .every_us == null and .overdue == 0 and .measured == "round trip"'
}

@test "--every: a stall counts for all messages that are due in it" {
    # 20 ms, so 200 messages are due in it, and 100 of them 10 ms and more before its end.
    measured -n 1000 --every 100 --inject stall | tee record
    jq -e '.loop == "open" and .every_us == 100 and .count == 1000 and .measured == "from due to answered" and
        .half_median_us == null and .overdue >= 199 and
        ([.histogram_us[] | select(.[0] >= 9800) | .[1]] | add) >= 100' record
    both 0 -n 1000 --every 100
    screen=$(grep -l 'from due to answered in us:  min ' out.one out.two)
    grep -qE '^open loop: a message was due every 100 us; [0-9]+ were due before the last answer had come$' "$screen"
    refuted grep -E 'one way|closed loop' "$screen"
}

@test "--every: all messages that are due within -t are measured, none before it is due" {
    measured -t 0.5 --every 1000 | jq -e '(.count == 499 or .count == 500) and .seconds >= 0.499 and .min_us > 0'
}

@test "--every: messages that pile up end the run" {
    # The 20 ms of the stall are twice the time.
    both 1 -t 0.01 --every 50 --inject stall
    grep -F 'messages pile up: twice the time of -t has passed, and some that were due within it are still to be sent; choose more than --every 50' err.one err.two
    refuted test -s out.one
    refuted test -s out.two
}

@test "-t ends it" {
    both 0 -t 0.05 --json
    cat out.one out.two | jq -se 'map(select(.record == "latency"))[0] | .count > 0 and .seconds >= 0.05'
}

@test "-p pins; a CPU that is not there is refused" {
    cpu=$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')
    both 0 -n 10 --json -p "$cpu"
    cat out.one out.two | jq -se --argjson cpu "$cpu" 'map(select(.record == "latency"))[0] | .pinned_to == $cpu and .from_cpu == $cpu and .to_cpu == $cpu'
    complains 1 'cannot run on CPU 1023: Invalid argument' __latency -f region -p 1023
}

@test "--matrix: each measures to each" {
    for i in 1 2 3; do background "run$i" __latency -f region -n 50 --json --matrix 3; done
    for i in 1 2 3; do
        background_ended "run$i" 0
        same 2 "$(wc -l <"out.run$i")"
        same 1 "$(jq -s 'map(.from_seat) | unique | length' "out.run$i")"
    done
    same '01 02 10 12 20 21' "$(cat out.run1 out.run2 out.run3 | jq -r '"\(.from_seat)\(.to_seat)"' | sort | xargs)"
    same 50 "$(cat out.run1 out.run2 out.run3 | jq -s 'map(.count) | unique[]')"
}

@test "--matrix: each prints its row; a pair at the same time does not disturb it" {
    for i in 1 2; do background "run$i" __latency -f region -n 50 --matrix 2; done
    both 0 -n 50
    for i in 1 2; do
        background_ended "run$i" 0
        [[ $(<"out.run$i") =~ ^[^\ ]+' (seat '[01]' of 2) measures to each of the others in turn' ]]
        grep -qE '^waiting: [^ ]+ polled; [^ ]+ polled$' "out.run$i"
        same 1 "$(grep -cE '^  [^ ]+ \(seat [01]\) +50( +[0-9]+\.[0-9]{3}){5} +[0-9]+\.[0-9] +0'"$MEAN_IF_COARSE$" "out.run$i")"
    done
}

@test "--matrix: waiting for a missing participant ends" {
    for i in 1 2; do background "run$i" __latency -f region -w 1 --matrix 3; done
    for i in 1 2; do
        background_ended "run$i" 1
        grep -q '^__latency: nobody came within 1.0 s (-w); run this program in as many VMs as --matrix says at the same time$' "err.run$i"
    done
}

@test "nobody comes: one line and status 1, and the seat is free" {
    complains 1 'nobody came within 0.2 s (-w); run this program in two VMs at the same time' __latency -f region -w 0.2
    same '' "$output"
    same 0000000000000000 "$(word region $AREA)"
}

@test "the leftover of a killed run is taken over" {
    background one __latency -f region -t 600
    background two __latency -f region -t 600
    wait_until other_word $PLACES 0000000000000000
    kill -9 "$one" "$two"
    both 0 -n 50
    cat out.one out.two | grep -q ': 50 round trips in '
    cat err.one err.two | grep -q 'took over a seat of __latency'
}

@test "an area of rubbish is taken over" {
    for source in /dev/urandom <(tr '\0' '\377' </dev/zero); do
        head -c $((0x10000)) "$source" | put region $AREA
        both 0 -n 50
        cat out.one out.two | grep -q ': 50 round trips in '
    done
}

@test "bytes that are no names are printed harmlessly" {
    background one __latency -f region -t 600
    background two __latency -f region -t 600
    wait_until other_word $((PLACES + PLACE + 384)) 0000000000000000
    yes $'\e[31m\n"' | head -c 64 | put region $((PLACES + 384))
    yes $'\e[31m\n"' | head -c 64 | put region $((PLACES + PLACE + 384))
    le64 77 | put region $((PLACES + PLACE))
    await one
    await two
    cat err.one err.two >said
    grep -F '?[31m?"' said
    refuted grep $'\e' said
}

@test "a peer that dies, on either side" {
    for victim in measurer answerer; do
        fresh region
        background one __latency -f region -t 600
        wait_until grep -q waiting err.one
        background two __latency -f region -t 600
        wait_until other_word $((PLACES + PLACE)) 0000000000000000
        dead=one alive=two
        [ $victim = measurer ] || dead=two alive=one
        kill -9 "${!dead}"
        background_ended $alive 1
        refuted test -s out.$alive
        grep -qE '^__latency: .* \(seat [01]\) died: it gave no sign of life for 3 s$' err.$alive
    done
}

@test "Ctrl-C, kill: the other side learns of it at once, and the seat is free" {
    for signal in INT TERM; do
        fresh region
        background one __latency -f region -t 600
        background two __latency -f region -t 600
        wait_until other_word $((PLACES + PLACE)) 0000000000000000
        kill -s $signal "$one"
        await one
        ((status > 128))
        background_ended two 1
        grep -q ' gave up$' err.two
        same 00000000000000000000000000000000 "$(word region $AREA)$(word region $((AREA + 64)))"
    done
}

@test "--inject: every fault is noticed by the other side" {
    while read -r fault expected; do
        fresh region
        both 1 -t 600 -w 4 --inject "$fault"
        measurer=one
        ! grep -q 'seat 1' err.two || measurer=two
        refuted test -s out.$measurer
        grep -F "$expected" err.$measurer
    done <<'END'
        rubbish (seat 1) sent a number that is not of this run
        die (seat 1) died: it gave no sign of life for 3 s
        leave (seat 1) gave up
        deaf (seat 1) lives, but did not answer in time (-w)
END
    complains 1 'the time stamp counter does not run evenly' __latency -f region -w 1 --inject clock
    both 1 -t 600 -w 4 --inject back
    grep -q 'the time stamp counter stepped back, by [0-9]* ns: .*; stay on one with -p CPU$' err.one err.two
    refuted test -s out.one
    refuted test -s out.two
}

@test "--cpus measures between every two CPUs, in memory of its own" {
    local cpus pairs
    cpus=$(nproc)
    ((cpus >= 2 && cpus <= 8)) || skip "this machine has $cpus CPUs"
    pairs=$((cpus * (cpus - 1) / 2))
    succeeds __latency --cpus -n 1000 --json
    same "$pairs" "$(jq -s 'map(select(.record == "latency-cpus" and .from_cpu < .to_cpu and .count > 0 and .median_us > 0)) | length' <<<"$output")"
    succeeds __latency --cpus -n 1000
    same "$cpus" "$(grep -cE '^ +[0-9]+( +([0-9]+|-))+$' <<<"$output")"
    prints 'fastest: CPUs '
}

@test "--cpus with a single CPU: said" {
    complains 1 '--cpus needs two CPUs, and this process may use only CPU' \
        taskset -c "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)" __latency --cpus
}

@test "--cpus: a side that dies ends the whole with its line" {
    (($(nproc) >= 2)) || skip 'this machine has one CPU'
    complains 1 'the time stamp counter stepped back' __latency --cpus -t 60 --inject back
}

@test "a wrong command line" {
    cp region before
    refuses_each <<'END'
        -t 0: seconds are needed
            __latency -t 0
        -n 0: a whole number from 1
            __latency -n 0
        --matrix 17: a whole number from 2 to 16
            __latency --matrix 17
        --matrix 1: a whole number from 2 to 16
            __latency --matrix 1
        --adaptive 0: a whole number from 1 to 1000000
            __latency --adaptive=0
        --adaptive soon: a whole number
            __latency --adaptive=soon
        option --interrupt takes no value
            __latency --interrupt=1
        --interrupt and --adaptive are two ways to wait
            __latency --interrupt --adaptive
        --interrupt and --adaptive are two ways to wait
            __latency --adaptive=5 --interrupt
        --cpus pins its own processes, which poll
            __latency --cpus --interrupt
        --cpus pins its own processes, which poll
            __latency --cpus -p 0
        no -p, --matrix, --every, --interrupt or --adaptive with it
            __latency --cpus --every 5
        --every 0: a whole number from 1 to 1000000
            __latency --every 0
        --every 1000001: a whole number
            __latency --every 1000001
        unexpected argument 'vm2'
            __latency -f region vm2
        --inject dy: there is no such fault
            __latency --inject dy
END
    cmp region before
}
