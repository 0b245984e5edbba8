# shellcheck shell=bash
# Which CPUs of the host the vCPUs of the VMs run on. Two vCPUs that exchange cache lines take several times as long when
# they are far apart, so a measurement that is to be repeated has them in the same places each time.

# The CPUs that this process may use, a number a line (cgroups and taskset may leave out some; proc(5), Cpus_allowed_list).
cpus_allowed() {
    sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | cpus_expand
}

# Expands the lists of CPUs on stdin, such as 0-2,5, to their numbers, one on a line, in their order.
cpus_expand() {
    tr ',' '\n' | awk -F- 'NF { for (i = $1; i <= $NF; i++) print i }'
}

# Prints the CPUs for VM_PIN=auto, the best first: those of the last-level cache that most cores share before those of
# others, P cores before E cores (Linux lists E cores in cpu_atom), one CPU of each core before the SMT siblings.
cpus_by_distance() {
    local efficient='' atom=/sys/devices/cpu_atom/cpus
    [[ ! -r $atom ]] || efficient=$(cpus_expand <"$atom" | paste -sd ' ')
    # lscpu(1): CACHE becomes a column for each level, the last level last; where it knows none, the socket is the group.
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

# The CPUs that VM_PIN gives to the vCPUs of all VMs, a number a line: vm1's first. Nothing if none is pinned, which is
# said where there are too few.
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

# vm_pin NAME CPU...: pins each vCPU of VM NAME to its CPU, of those which pin_cpus printed, and QEMU's other threads to
# the CPUs that are left, if any.
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
    # New threads take after the one that makes them, so this holds for those to come.
    [[ -z $rest ]] || taskset --all-tasks --pid --cpu-list "$rest" "$pid" >/dev/null
    for i in "${!threads[@]}"; do
        taskset --pid --cpu-list "${cpus[first + i]}" "${threads[i]}" >/dev/null
    done
}

# The threads that are the vCPUs of running VM $1, a number a line (QMP, query-cpus-fast).
vm_vcpus() {
    qmp "$VM_DIR/$1/qmp.sock" query-cpus-fast | jq '.[]."thread-id"'
}

# The CPUs that each vCPU of running VM $1 may use, a list a line.
vm_cpus() {
    local thread
    vm_vcpus "$1" | while read -r thread; do
        sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$thread/status"
    done
}
