# shellcheck shell=bash
# The processors and the memory that we may use: the host's, within the limits of our control group, which nproc and
# /proc/meminfo ignore. A container has a control group, and so has a systemd unit with MemoryMax or CPUQuota.

CGROUP_ROOT=/sys/fs/cgroup
CGROUP_OURS=/proc/self/cgroup

# cgroup_folders CONTROLLER: prints the folders of our control group and of all groups above it, of version 1 and of version 2,
# whose line in /proc/self/cgroup names no controller (cgroups(7)). In a container the path may be the host's, and missing.
cgroup_folders() {
    local controllers path root
    while IFS=: read -r _ controllers path; do
        case ",$controllers," in
        ,,) root=$CGROUP_ROOT ;;
        *",$1,"*) root=$CGROUP_ROOT/$1 ;;
        *) continue ;;
        esac
        while [[ $path == /?* ]]; do
            printf '%s\n' "$root$path"
            path=${path%/*}
        done
        printf '%s\n' "$root"
    done <"$CGROUP_OURS"
}

# number_in FILE: prints its first word if that is a whole number, and nothing if it is not, as in "max".
number_in() {
    local number
    read -r number _ 2>/dev/null <"$1" || return 0
    [[ ! $number =~ ^[0-9]+$ ]] || printf '%s' "$number"
}

# number_after FILE WORD: prints the number after that word, or 0.
number_after() {
    awk -v word="$2" '$1 == word { print $2; found = 1; exit } END { if (!found) print 0 }' "$1" 2>/dev/null || echo 0
}

# Prints how many processors we may use at once.
processors() {
    local folder quota period least
    least=$(nproc)
    while read -r folder; do
        quota='' period=''
        if [[ -r $folder/cpu.max ]]; then
            read -r quota period <"$folder/cpu.max"
        elif [[ -r $folder/cpu.cfs_quota_us ]]; then
            quota=$(number_in "$folder/cpu.cfs_quota_us") period=$(number_in "$folder/cpu.cfs_period_us")
        fi
        if [[ $quota =~ ^[0-9]+$ && $period =~ ^[1-9][0-9]*$ ]] && (((quota + period - 1) / period < least)); then
            least=$(((quota + period - 1) / period))
        fi
    done < <(cgroup_folders cpu)
    printf '%d' $((least > 0 ? least : 1))
}

# Prints how much memory we can get now, in MB. A group's page cache counts as free.
memory_available() {
    local folder limit used cached least
    least=$(($(number_after /proc/meminfo MemAvailable:) << 10))
    while read -r folder; do
        if [[ -r $folder/memory.max ]]; then
            limit=$(number_in "$folder/memory.max") used=$(number_in "$folder/memory.current")
            cached=$(number_after "$folder/memory.stat" inactive_file)
        else
            limit=$(number_in "$folder/memory.limit_in_bytes") used=$(number_in "$folder/memory.usage_in_bytes")
            cached=$(number_after "$folder/memory.stat" total_inactive_file)
        fi
        if [[ -n $limit && -n $used ]] && ((limit - used + cached < least)); then
            least=$((limit - used + cached))
        fi
    done < <(cgroup_folders memory)
    printf '%d' $((least > 0 ? least >> 20 : 0))
}

# The compiler needs up to 150 MB for some files of the kernel; the linker needs 400 MB at the end.
MEMORY_PER_JOB_MB=200

# Prints how many jobs make should run at once: one more than there are processors, as far as there is memory for them.
build_jobs() {
    local jobs room
    jobs=$(($(processors) + 1))
    room=$(($(memory_available) / MEMORY_PER_JOB_MB))
    printf '%d' $((room < 1 ? 1 : room < jobs ? room : jobs))
}
