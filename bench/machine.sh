# shellcheck shell=bash
# What machine it is that is measured (host.json), and what else it does meanwhile.

# bench_host_json MODE: prints host.json; results_host adds whether it is complete and what was left out. Only facts; what
# differs between two of them is what ./bench.sh --compare looks at.
bench_host_json() {
    local manifest=$VM_DIR/manifest.json planned
    jq -e 'type == "object"' "$manifest" >/dev/null 2>&1 || die "$manifest is missing or broken: ./setup.sh writes it"
    planned=$(($(wc -l <"$BENCH_TEMP/plan") * BENCH_ROUNDS[$1]))
    jq -n --argjson schema "$BENCH_SCHEMA" --arg machine "$BENCH_RUN" --arg mode "$1" --arg started "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        --arg kit "$(git -C "$LAB_HOME" describe --always --dirty 2>/dev/null || echo unknown)" \
        --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" --argjson cpus "$(nproc)" \
        --arg memory "$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)" --argjson caches "$(bench_caches)" \
        --arg kernel "$(uname -r)" --arg load "$(cut -d ' ' -f 1-3 /proc/loadavg)" \
        --arg qemu "$(qemu-system-x86_64 --version | sed -n 's/^QEMU emulator version //p')" \
        --arg accelerator "$(process_option "$(vm_pid vm1)" -accel)" --arg shmem_mode "$(vm_mode vm1)" \
        --argjson region "${CAN[region_bytes]}" --argjson vms "${CAN[vms]}" --arg smp "$(process_option "$(vm_pid vm1)" -smp)" \
        --argjson mtu "$LINK_MTU" --argjson planned "$planned" \
        --arg programs "$(cat -- "$VM_DIR"/bin/__* | sha256sum | cut -c 1-16)" --slurpfile manifest "$manifest" \
        '{schema: $schema, machine: $machine, complete: false, mode: $mode, started: $started, kit: $kit,
          host: {cpu: $cpu, cpus: $cpus, caches: $caches, memory_mib: ($memory | tonumber), kernel: $kernel, load_before: $load},
          qemu: $qemu, accelerator: $accelerator, shmem_mode: $shmem_mode, region_bytes: $region,
          vms: $vms, smp: $smp, link_mtu: $mtu, planned: $planned, programs: $programs, left_out: [], manifest: $manifest[0]}'
}

# The caches of the first CPU as a JSON object, such as {"L1d": "32K"}.
bench_caches() {
    local path type
    for path in /sys/devices/system/cpu/cpu0/cache/index*; do
        [[ -r $path/size ]] || continue
        type=$(<"$path/type")
        printf 'L%d%s\t%s\n' "$(<"$path/level")" "$(case $type in Data) echo d ;; Instruction) echo i ;; esac)" "$(<"$path/size")"
    done | jq -Rn '[inputs | split("\t") | {(.[0]): .[1]}] | add // {}'
}

# A number that runs on this machine at this time have in common, and no others.
bench_run_id() {
    printf '%s %s %s' "$(cat /proc/sys/kernel/random/boot_id)" "$$" "$EPOCHREALTIME" | sha256sum | cut -c 1-16
}

# --- Noise: what CPU time others use during a measurement, and the hypervisor below takes away (steal).

noise_begin() {
    NOISE_CPUS=$(nproc) NOISE_HZ=$(getconf CLK_TCK)
    NOISE_START_US=${EPOCHREALTIME/[.,]/}
    noise_read
    NOISE_0=("${NOISE_NOW[@]}")
}

# Sets NOISE_MS, the time that has passed; NOISE_OTHERS, how many CPUs processes used that are neither our VMs nor
# ours; NOISE_STEAL, the share of all CPU time that was stolen.
noise_end() {
    local us
    us=$((${EPOCHREALTIME/[.,]/} - NOISE_START_US))
    noise_read
    NOISE_MS=$((us / 1000))
    read -r NOISE_OTHERS NOISE_STEAL < <(awk -v busy=$((NOISE_NOW[0] - NOISE_0[0])) -v steal=$((NOISE_NOW[1] - NOISE_0[1])) \
        -v own=$((NOISE_NOW[2] - NOISE_0[2])) -v ticks="$(awk -v us="$us" -v hz="$NOISE_HZ" 'BEGIN { print us * hz / 1e6 }')" \
        -v cpus="$NOISE_CPUS" 'BEGIN {
            others = (busy - own) / ticks
            printf "%.3f %.4f\n", (others > 0 ? others : 0), steal / ticks / cpus }')
}

# Sets NOISE_NOW to ticks of all CPUs: busy, stolen; and of our own processes, with those that have ended.
noise_read() {
    local -a cpu
    local pid own=0
    read -r -a cpu </proc/stat
    for pid in "${BENCH_PIDS[@]}" "${BENCH_MASTERS[@]}"; do
        own=$((own + $(noise_ticks "$pid" 2)))
    done
    own=$((own + $(noise_ticks "$$" 4)))
    # user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); user has guest's in it.
    NOISE_NOW=($((cpu[1] + cpu[2] + cpu[3] + cpu[6] + cpu[7])) "${cpu[8]}" "$own")
}

# utime + stime of process $1 (fields 14 and 15 of its stat), and with $2=4 those of its ended children as well; 0 when it
# has ended.
noise_ticks() {
    local line
    local -a fields
    if ! read -r line 2>/dev/null <"/proc/$1/stat"; then
        echo 0
        return
    fi
    read -r -a fields <<<"${line##*) }"
    if (($2 == 4)); then
        printf '%d' $((fields[11] + fields[12] + fields[13] + fields[14]))
    else
        printf '%d' $((fields[11] + fields[12]))
    fi
}
