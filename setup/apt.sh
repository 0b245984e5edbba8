# shellcheck shell=bash
# apt: its locks, its lists, and what an installation would do.

# The locks of dpkg and apt. cloud-init, unattended-upgrades and PackageKit hold them for minutes.
APT_LOCKS=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock)

# How many seconds we wait for them.
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

# Waits until nobody holds one of apt's locks, and says who does. Ends the program after APT_PATIENCE seconds.
apt_wait() {
    local holder said='' deadline=$((SECONDS + APT_PATIENCE))
    while holder=$(apt_lock_holder); do
        [[ $holder == "$said" ]] || say "Waiting for $holder"
        said=$holder
        ((SECONDS < deadline)) || die "apt is still locked after $APT_PATIENCE s by $holder:" \
            "wait for it or stop it, then run ./setup.sh again"
        pause 0.5
    done
}

# Prints what each of our apt-get commands that takes a lock begins with, one word in a line.
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

# Prints the file of apt's sources: the host's own, or a copy without the disc of Debian's installer, which is no longer in
# the drive, if there is another source.
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

# Updates apt's lists. If that fails, a notice says why, and setup goes on, because the old lists may be good enough.
apt_update() {
    local output status=0
    local -a apt
    apt_wait
    lines_of apt apt_command
    # Without Error-Mode, apt-get succeeds although a source cannot be reached (apt-get(8)).
    output=$("${apt[@]}" -o APT::Update::Error-Mode=any update 2>&1) || status=$?
    printf '%s\n' "$output" >&2
    ((status != 0)) || return 0
    [[ $output != *'not valid yet'* ]] || die "the mirror's lists are not valid yet: $(clock_behind)"
    output=$(sed -nE 's/^[EW]: //p' <<<"$output" | head -n 1)
    step_notice "cannot update apt's lists (${output:-apt-get update failed}): using the old ones"
}

# Has apt any lists? A fresh container has none, and then apt knows no package and no mirror.
apt_has_lists() {
    [[ -n $(apt-get indextargets --format 1 'Identifier: Packages' 2>/dev/null) ]]
}

# apt_plan PACKAGE...: prints what apt would do to install them, with its lists as they are: lines "install NAME" and "remove
# NAME"; "unknown" if a package is not in the lists; "fail REASON" if apt cannot do it. It changes nothing and takes no lock.
apt_plan() {
    local output
    output=$(LC_ALL=C apt-get --simulate -o Debug::NoLocking=1 install --no-install-recommends -- "$@" 2>&1) || true
    case $output in
    *$'\nE: Unable to locate package'* | 'E: Unable to locate package'* | *'has no installation candidate'*) echo unknown ;;
    *) sed -nE 's/^Inst ([^ ]+).*/install \1/p; s/^(Remv|Purg) ([^ ]+).*/remove \2/p; s/^E: /fail /p' <<<"$output" ;;
    esac
}

# apt_size PACKAGE...: prints how large they are, for people.
apt_size() {
    apt-cache show --no-all-versions -- "$@" 2>/dev/null |
        awk '$1 == "Size:" { fetch += $2 } $1 == "Installed-Size:" { disk += $2 }
             END { printf "%d MB to download, %d MB on disk", fetch / 1e6 + 0.5, disk / 1e3 + 0.5 }'
}

# The explanation for a signature from the future.
clock_behind() {
    printf 'the clock of this host is behind (it says %s). Set it: sudo timedatectl set-ntp true, or sudo date --set=...' \
        "$(LC_ALL=C date -u '+%Y-%m-%d %H:%M UTC')"
}
