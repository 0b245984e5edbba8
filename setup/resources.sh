# shellcheck shell=bash
# How many processors and how much memory there are for us: what the host has, within the limits of our control group,
# which nproc and /proc/meminfo do not know. A container is one, and so is a unit of systemd with MemoryMax or CPUQuota.

CGROUP_ROOT=/sys/fs/cgroup
CGROUP_OURS=/proc/self/cgroup

# The folders of our control group and of all above it, for controller $1; of version 2 (whose line in /proc/self/cgroup
# names no controller) and of version 1 (cgroups(7)). In a container the path may be one of the host, and not there.
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

# The first whole number in file $1; nothing if there is none, as in "max".
number_in() {
    local number
    read -r number _ 2>/dev/null <"$1" || return 0
    [[ ! $number =~ ^[0-9]+$ ]] || printf '%s' "$number"
}

# The number that follows word $2 in file $1, or 0.
number_after() {
    awk -v word="$2" '$1 == word { print $2; found = 1; exit } END { if (!found) print 0 }' "$1" 2>/dev/null || echo 0
}

# How many processors we may use at once.
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

# How much memory we can have now, in MB. What a group's pages of files take can be had back.
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

# The compiler takes up to 150 MB for some of the kernel's files, the linker 400 at the end.
MEMORY_PER_JOB_MB=200

# How many jobs make runs side by side: one more than there are processors, and no more than have memory.
build_jobs() {
    local jobs room
    jobs=$(($(processors) + 1))
    room=$(($(memory_available) / MEMORY_PER_JOB_MB))
    printf '%d' $((room < 1 ? 1 : room < jobs ? room : jobs))
}
