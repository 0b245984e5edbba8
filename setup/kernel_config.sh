# shellcheck shell=bash
# Configures the kernel from fragments, and checks that it has taken every line of them.

KERNEL_FRAGMENT=kernel/lab.config

# The versions that the fragment was built and booted with (docs/measurements.md).
KERNEL_TRIED='6.1, 6.12 or 7.3'

# Prints the paths of the fragments: the lab's own, then those of KERNEL_CONFIG. A later one wins.
kernel_fragments() {
    local file
    printf '%s\n' "$LAB_HOME/$KERNEL_FRAGMENT"
    for file in $KERNEL_CONFIG; do
        (cd -- "$LAB_HOME" && realpath -- "$file")
    done
}

# Prints the lines of all fragments that count, one for each option: the last. CONFIG_X=n is the same as "# CONFIG_X is not set",
# which is what the kernel writes.
kernel_wanted() {
    local -a fragments
    lines_of fragments kernel_fragments
    awk '/^CONFIG_[^=]*=n$/ { $0 = "# " substr($0, 1, length($0) - 2) " is not set" }
        /^CONFIG_/ { option = $1; sub(/=.*/, "", option) }
        /^# CONFIG_/ { option = $2 }
        /^(# )?CONFIG_/ { if (!(option in line)) order[++count] = option; line[option] = $0 }
        END { for (i = 1; i <= count; i++) print line[order[i]] }' "${fragments[@]}"
}

# Ends the program unless every line of fragment $1 is one of a kernel's configuration, a comment, or empty.
kernel_fragment_check() {
    local wrong
    wrong=$(grep -nvE '^(CONFIG_[A-Z0-9a-z_]+=[^[:space:]][[:print:]]*|# CONFIG_[A-Z0-9a-z_]+ is not set|#.*|)$' -- "$1" | head -n 1) || true
    [[ -z $wrong ]] || die "$1, line ${wrong%%:*}, is neither CONFIG_NAME=VALUE nor # CONFIG_NAME is not set: $(quoted "${wrong#*:}")"
}

# kernel_make FOLDER [WORD...]: make, in the kernel's source or in its build tree.
kernel_make() {
    make -C "$1" --no-print-directory -j "${BUILD_JOBS:-$(build_jobs)}" "${@:2}"
}

# kernel_configure SOURCE WANTED: configures: allnoconfig plus the lines of the fragments. Then checks that each of them
# survived. Leaves the lines in file WANTED.
kernel_configure() {
    local source=$1 wanted=$2 fragment lost
    for fragment in $(kernel_fragments); do
        kernel_fragment_check "$fragment"
    done
    kernel_wanted >"$wanted"
    KCONFIG_ALLCONFIG=$wanted kernel_make "$source" allnoconfig
    lost=$(kernel_config_lost "$wanted" "$source/.config" '# ')
    [[ -z $lost ]] || step_notice "this kernel cannot be built without: ${lost//$'\n'/, }"
    lost=$(kernel_config_lost "$wanted" "$source/.config" CONFIG_)
    [[ -z $lost ]] || die "this kernel does not take $(kernel_config_where "$lost"): it renamed the option, or one that it" \
        "depends on is off. Look it up in the kernel's Kconfig files and mend the fragment, or set KERNEL_VERSION to $KERNEL_TRIED"
}

# kernel_config_lost WANTED CONFIG BEGINNING: the options of the lines in WANTED with this beginning (CONFIG_, or "# " for what
# is to be off) that CONFIG has otherwise.
kernel_config_lost() {
    local line option
    while read -r line; do
        option=${line#'# '} option=${option%%[ =]*}
        case $line in
        CONFIG_*=*) kernel_config_has "$2" "$line" || printf '%s\n' "$line" ;;
        '# CONFIG_'*' is not set') ! grep -q "^$option=" "$2" || printf '%s\n' "$option" ;;
        esac
    done < <(grep "^$3" "$1")
}

# Does .config $1 have this line, or the same for the name that later kernels have for the option?
kernel_config_has() {
    local option=${2%%=*}
    grep -qxF -e "$2" -e "${KERNEL_RENAMED[$option]:-$option}=${2#*=}" -- "$1"
}
declare -A KERNEL_RENAMED=([CONFIG_PROC_SYSCTL]=CONFIG_SYSCTL) # Linux 7.3

# kernel_config_where LINES: prints the lines in one, each with the fragment that it is from.
kernel_config_where() {
    local line fragment text=''
    while read -r line; do
        fragment=$(kernel_fragments | xargs -d '\n' grep -lxF -e "$line" -- | tail -n 1)
        text+=", $line from ${fragment#"$LAB_HOME/"}"
    done <<<"$1"
    printf '%s' "${text#, }"
}
