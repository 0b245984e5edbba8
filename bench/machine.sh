# shellcheck shell=bash
# The machine that is measured (host.json), and the load of other processes meanwhile.

# bench_host_json MODE: prints host.json. results_host adds whether the run is complete and what was left out;
# ./bench.sh --compare looks at what differs between two of them (bench/identity.jq).
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
        --argjson mtu "$LINK_MTU" --argjson planned "$planned" --argjson placement "$(bench_placement)" \
        --arg programs "$(cat -- "$VM_DIR"/bin/__* | sha256sum | cut -c 1-16)" --slurpfile manifest "$manifest" \
        '{schema: $schema, machine: $machine, complete: false, mode: $mode, started: $started, kit: $kit,
          host: {cpu: $cpu, cpus: $cpus, caches: $caches, memory_mib: ($memory | tonumber), kernel: $kernel, load_before: $load},
          qemu: $qemu, accelerator: $accelerator, shmem_mode: $shmem_mode, region_bytes: $region,
          vms: $vms, smp: $smp, placement: $placement, link_mtu: $mtu, planned: $planned, programs: $programs, left_out: [], manifest: $manifest[0]}'
}

# Prints the CPUs of the host that each vCPU may use (VM_PIN) as a JSON object, such as {"vm1": ["2"], "vm2": ["3"]}.
bench_placement() {
    local name
    for name in "${BENCH_VMS[@]}"; do
        vm_cpus "$name" | jq -Rn --arg name "$name" '{($name): [inputs]}'
    done | jq -s add
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

# An id of this call of bench.sh, which no other has.
bench_run_id() {
    printf '%s %s %s' "$(cat /proc/sys/kernel/random/boot_id)" "$$" "$EPOCHREALTIME" | sha256sum | cut -c 1-16
}

# --- Noise: CPU time that others use during a measurement, and that the hypervisor of the host takes away (steal).

# Prints a reading: the time in microseconds, then ticks of CPU time: busy, stolen, and used by our VMs and our processes.
noise_read() {
    local -a cpu
    local pid own now=${EPOCHREALTIME/[.,]/}
    read -r -a cpu </proc/stat
    own=$(noise_ticks "$$" 4)
    for pid in "${BENCH_PIDS[@]}" "${BENCH_MASTERS[@]}"; do
        own=$((own + $(noise_ticks "$pid" 2)))
    done
    # user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); user includes guest.
    printf '%s %d %d %d\n' "$now" $((cpu[1] + cpu[2] + cpu[3] + cpu[6] + cpu[7])) "${cpu[8]}" "$own"
}

# noise_between BEFORE AFTER: from two readings a JSON object: the seconds between them, how many CPUs other processes used, and
# the share of all CPU time that was stolen.
noise_between() {
    awk -v cpus="$(nproc)" -v hz="$(getconf CLK_TCK)" '{
        seconds = ($5 - $1) / 1e6
        others = ($6 - $2 - ($8 - $4)) / hz / seconds
        steal = ($7 - $3) / hz / seconds / cpus
        printf "{\"seconds\": %.3f, \"others_cpus\": %.3f, \"steal\": %.4f}\n", seconds, (others > 0 ? others : 0), steal
    }' <<<"$1 $2"
}

# noise_ticks PID FIELDS: prints the sum of the first FIELDS of utime, stime, cutime and cstime, the last two of ended children
# (fields 14 to 17 of its stat, proc(5)); 0 when the process has ended.
noise_ticks() {
    local line field ticks=0
    local -a fields
    if read -r line 2>/dev/null <"/proc/$1/stat"; then
        read -r -a fields <<<"${line##*) }"
        for field in "${fields[@]:11:$2}"; do
            ticks=$((ticks + field))
        done
    fi
    printf '%d' "$ticks"
}
