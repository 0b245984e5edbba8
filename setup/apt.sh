# shellcheck shell=bash
# apt: waiting for who has its locks, its lists, and what an installation would do.

# The locks of dpkg and apt, which others hold for minutes: cloud-init, unattended-upgrades, PackageKit.
APT_LOCKS=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock)

# How many seconds they may.
APT_PATIENCE=900

# Prints who holds one of apt's locks, and fails if nobody does.
apt_lock_holder() {
    local pid command path
    while read -r pid command path; do
        if [[ " ${APT_LOCKS[*]} " == *" $path "* ]]; then
            printf '%s (process %s), which has the lock %s' "$command" "$pid" "$path"
            return
        fi
    done < <(lslocks --noheadings --raw --output PID,COMMAND,PATH 2>/dev/null)
    return 1
}

# Waits until nobody holds a lock of apt's, and says for whom. Ends the program when APT_PATIENCE does not suffice.
apt_wait() {
    local holder said='' deadline=$((SECONDS + APT_PATIENCE))
    while holder=$(apt_lock_holder); do
        [[ $holder == "$said" ]] || say "Waiting for $holder"
        said=$holder
        ((SECONDS < deadline)) || die "after $APT_PATIENCE s apt still has to wait for $holder:" \
            "let it end, or end it, then call ./setup.sh again"
        pause 0.5
    done
}

# Prints the words of an apt-get command that may take a lock, one a line: what every such call of ours begins with.
apt_command() {
    local list
    list=$(apt_source_list)
    local -a command=(env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none LC_ALL=C apt-get)
    # apt itself waits for a process that takes a lock between our look (apt_wait) and this call.
    command+=(-o DPkg::Lock::Timeout="$APT_PATIENCE")
    # Nobody is there to answer a question about a changed configuration file.
    command+=(-o Dpkg::Options::=--force-confold)
    command+=(-o Dir::Etc::SourceList="$list")
    printf '%s\n' "${command[@]}"
}

# The file with apt's sources: the host's own, without the disc that Debian's installer put in (and took out again), if
# there is another source.
apt_source_list() {
    local list=$APT_SOURCE_LIST network=$VM_DIR/cache/sources.list
    if ! grep -qsE '^[[:space:]]*deb[^#]*[[:space:]]cdrom:' "$list" || ! grep -qsE '^[[:space:]]*deb[^#]*://' "$list"; then
        printf '%s' "$list"
        return
    fi
    mkdir -p -- "$VM_DIR/cache"
    grep -vE '^[[:space:]]*deb[^#]*[[:space:]]cdrom:' "$list" | write_file "$network"
    printf '%s' "$network"
}
APT_SOURCE_LIST=/etc/apt/sources.list

# Brings apt's lists up to date. If that fails, says why in a notice: what is in the old lists may suffice.
apt_update() {
    local output status=0
    local -a apt
    apt_wait
    mapfile -t apt < <(apt_command)
    wait "$!"
    # Error-Mode: a source that cannot be reached is no success.
    output=$("${apt[@]}" -o APT::Update::Error-Mode=any update 2>&1) || status=$?
    printf '%s\n' "$output" >&2
    ((status != 0)) || return 0
    [[ $output != *'not valid yet'* ]] || die "the mirror's lists are not valid yet: $(clock_behind)"
    output=$(sed -nE 's/^[EW]: //p' <<<"$output" | head -n 1)
    step_notice "apt's lists could not be brought up to date (${output:-apt-get update failed}): going on with those that are there"
}

# Has apt any lists at all? A fresh container has none, and then no package and no mirror is known.
apt_has_lists() {
    [[ -n $(apt-get indextargets --format 1 'Identifier: Packages' 2>/dev/null) ]]
}

# apt_plan PACKAGE...: what apt would do to install them, by its lists as they are: a line "install NAME" or "remove NAME"
# each, "unknown" when the lists do not have one, "fail REASON" when apt cannot. Nothing is done, no lock is taken.
apt_plan() {
    local output
    output=$(LC_ALL=C apt-get --simulate -o Debug::NoLocking=1 install --no-install-recommends -- "$@" 2>&1) || true
    case $output in
    *$'\nE: Unable to locate package'* | 'E: Unable to locate package'* | *'has no installation candidate'*) echo unknown ;;
    *) sed -nE 's/^Inst ([^ ]+).*/install \1/p; s/^(Remv|Purg) ([^ ]+).*/remove \2/p; s/^E: /fail /p' <<<"$output" ;;
    esac
}

# How much packages $@ take, for people.
apt_size() {
    apt-cache show --no-all-versions -- "$@" 2>/dev/null |
        awk '$1 == "Size:" { fetch += $2 } $1 == "Installed-Size:" { disk += $2 }
             END { printf "%d MB to fetch, %d MB on the disk", fetch / 1e6 + 0.5, disk / 1e3 + 0.5 }'
}

# Said of signatures that are younger than now.
clock_behind() {
    printf 'the clock of this host is behind (it says %s). Set it: sudo timedatectl set-ntp true, or sudo date --set=...' \
        "$(LC_ALL=C date -u '+%Y-%m-%d %H:%M UTC')"
}
