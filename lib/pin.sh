# shellcheck shell=bash
# VM_PIN: the CPUs of the host that the vCPUs run on. Exchanging cache lines takes several times as long between distant
# CPUs, so pin the vCPUs to get repeatable measurements.

# Prints the CPUs that this process may use, one per line (cgroups and taskset can exclude some; proc(5), Cpus_allowed_list).
cpus_allowed() {
    sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | cpus_expand
}

# Expands lists of CPUs on stdin, such as 0-2,5, to numbers, one per line, in the same order.
cpus_expand() {
    tr ',' '\n' | awk -F- 'NF { for (i = $1; i <= $NF; i++) print i }'
}

# Prints the CPUs for VM_PIN=auto, the best first: one CPU of each core before the SMT siblings, P cores before E cores
# (Linux lists E cores in cpu_atom), and CPUs of the last-level cache that most cores share before the others.
cpus_by_distance() {
    local efficient='' atom=/sys/devices/cpu_atom/cpus
    [[ ! -r $atom ]] || efficient=$(cpus_expand <"$atom" | paste -sd ' ')
    # lscpu(1) prints CACHE as a column per level, the last level last. If it knows no caches, group CPUs by socket.
    lscpu --parse=CPU,CORE,SOCKET,CACHE | awk -F, -v allowed="$(cpus_allowed | paste -sd ' ')" -v efficient="$efficient" '
        BEGIN {
            n = split(allowed, list, " "); for (i = 1; i <= n; i++) may[list[i]] = 1
            n = split(efficient, list, " "); for (i = 1; i <= n; i++) slow[list[i]] = 1
        }
        /^#/ || !($1 in may) { next }
        {
            cpu[++count] = $1
            group[$1] = NF > 4 && $NF != "" ? $NF : "socket " $3
            sibling[$1] = threads[$2]++
            if (!sibling[$1]) { cores[group[$1]]++; if (!(group[$1] in rank)) rank[group[$1]] = ++groups }
        }
        END {
            for (i = 1; i <= count; i++) {
                c = cpu[i]
                print sibling[c], (c in slow) + 0, -cores[group[c]], rank[group[c]], c
            }
        }' | sort -n -k 1,1 -k 2,2 -k 3,3 -k 4,4 -k 5,5 | cut -d ' ' -f 5
}

# Prints the CPUs for the vCPUs of all VMs by VM_PIN, one per line, vm1's first. Prints nothing if none is pinned, and
# warns if there are too few CPUs.
pin_cpus() {
    local -a cpus
    case $VM_PIN in
    no) return ;;
    auto) mapfile -t cpus < <(cpus_by_distance) ;;
    *) mapfile -t cpus < <(cpus_expand <<<"$VM_PIN" | grep -xF "$(cpus_allowed)") ;;
    esac
    if ((${#cpus[@]} < VM_COUNT * VM_CPUS)); then
        warn "VM_PIN=$VM_PIN names ${#cpus[@]} CPUs that can be used here, and $VM_COUNT VMs with VM_CPUS=$VM_CPUS need $((VM_COUNT * VM_CPUS)): none is pinned"
        return
    fi
    printf '%s\n' "${cpus[@]:0:VM_COUNT * VM_CPUS}"
}

# vm_pin NAME CPU...: pins each vCPU of VM NAME to its CPU; the CPUs are the output of pin_cpus. Pins QEMU's other threads
# to the remaining CPUs, if any.
vm_pin() {
    local name=$1 pid rest i first=$(((${1#vm} - 1) * VM_CPUS))
    local -a cpus=("${@:2}") threads
    pid=$(vm_pid "$name")
    mapfile -t threads < <(vm_vcpus "$name")
    if ((${#threads[@]} != VM_CPUS)); then
        warn "QEMU does not say which threads the vCPUs of $name are: they are not pinned"
        return
    fi
    rest=$(comm -23 <(cpus_allowed | sort) <(printf '%s\n' "${cpus[@]}" | sort) | paste -sd ,)
    # New threads inherit the affinity of their creator, so this also applies to later threads.
    [[ -z $rest ]] || taskset --all-tasks --pid --cpu-list "$rest" "$pid" >/dev/null
    for i in "${!threads[@]}"; do
        taskset --pid --cpu-list "${cpus[first + i]}" "${threads[i]}" >/dev/null
    done
}

# Prints the thread ids of the vCPUs of running VM $1, one per line (QMP, query-cpus-fast).
vm_vcpus() {
    qmp "$VM_DIR/$1/qmp.sock" query-cpus-fast | jq '.[]."thread-id"'
}

# Prints the list of CPUs that each vCPU of running VM $1 may use, one list per line.
vm_cpus() {
    local thread
    vm_vcpus "$1" | while read -r thread; do
        sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$thread/status"
    done
}
