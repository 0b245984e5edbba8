# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # code in quotes; what bats sets, and what its tests read
# Helpers of the fault tests, in addition to those of the unit tests: made-up steps, small file systems, leftover checks.

# shellcheck source=tests/unit/scripts/helpers.bash
source "$BATS_TEST_DIRNAME/../unit/scripts/helpers.bash"

# Writes ./steps STEP...: runs steps as setup.sh does. The function of step NAME is in the file $WORLD/NAME.
script_steps() {
    export WORLD=$BATS_TEST_TMPDIR/world
    mkdir -p "$WORLD"
    script steps <<'END'
for name; do
    eval "
        inputs_$name() { echo input=1; }
        present_$name() { [[ -e $VM_DIR/$name.result ]]; }
        step_$name() { $(<"$WORLD/$name")
        }"
done
signals_catch
config_load
lab_create
lab_lock 60 setup.lock
trap steps_stop EXIT
mkdir -p "$VM_DIR/log" "$VM_DIR/steps"
steps_run "$@"
END
}

# ends_with TEXT...: the last line on the last command's stderr contains each TEXT. A user reads this line first.
ends_with() {
    local text
    for text; do
        [[ ${stderr_lines[-1]} == *"$text"* ]] || failure "the last line does not say '$text': ${stderr_lines[-1]}"
    done
}

# The lab's processes, one per line: their command line, working directory or open files name the lab.
processes() {
    local pid
    {
        grep -saFl -e "${VM_DIR:?}" /proc/[1-9]*/cmdline
        find /proc/[1-9]*/{cwd,fd} -lname "$VM_DIR*" 2>/dev/null
    } | cut -d / -f 3 | sort -un | while read -r pid; do
        [[ ! -r /proc/$pid/cmdline ]] || printf '%d %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
    done 2>/dev/null
}

# No process, mount or partial file of the lab is left.
nothing_left() {
    wait_until no_processes || failure "still running: $(processes)"
    same '' "$(grep -F "$VM_DIR/" /proc/mounts)"
    same '' "$(find "$VM_DIR" -maxdepth 2 \( -name '*.partial' -o -name '*.old' -o -name '*.tmp' \))"
    same '' "$(ls -A "$TMPDIR")"
}

no_processes() {
    [[ -z $(processes) ]]
}

# small_disk FOLDER SIZE [OPTION]: mounts a tmpfs on FOLDER, or skips the test. teardown calls unmount_all.
small_disk() {
    ((EUID == 0)) || skip 'only root can mount a small file system'
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2${3:+,$3}" tmpfs "$1" 2>/dev/null || skip 'nothing can be mounted here'
    MOUNTED+=("$1")
}
MOUNTED=()

unmount_all() {
    local folder
    for folder in "${MOUNTED[@]}"; do
        umount "$folder" || umount --lazy "$folder"
    done
    MOUNTED=()
}

# --- A lab with real but fast steps: programs, keys, rootfs and images

# Makes a kit with two small programs, and a lab with a small tree instead of debootstrap's.
small_lab() {
    local i
    export VM_DISK_SIZE=2G ACCEL=tcg SHMEM_SIZE=1M STEPS='packages programs keys rootfs images'
    PATH=$PATH:/usr/sbin:/sbin
    mkdir -p prog server
    printf '%s\n' 'O ?= build' 'all: $(O)/__read_write $(O)/__other' '$(O)/__%: %.c point.h | $(O)' \
        $'\t$(CC) -o $@ $<' '$(O):' $'\tmkdir -p $@' >prog/Makefile
    printf '#include "point.h"\nint main(void) { return POINT; }\n' | tee prog/read_write.c >prog/other.c
    printf '%s\n' 'O ?= build' '$(O)/ivshmem-server: server.c' $'\tmkdir -p $(O)' $'\t$(CC) -o $@ $<' >server/Makefile
    echo 'int main(void) { return 0; }' >server/server.c
    point 0
    make_lab
    rm -r "$VM_DIR/images"
    echo '{"fallback": false}' >"$VM_DIR/kernel/manifest.json"
    echo '{"fallback": false, "suite": "bookworm", "mirror": "http://198.51.100.1/debian", "keyring": "/dev/null"}' >"$VM_DIR/bootstrap.json"
    echo 'made=once' >"$VM_DIR/steps/bootstrap"
    mkdir -p "$VM_DIR"/bootstrap/{var/lib/apt/lists,etc/ssh,etc/systemd/system,lib/systemd/system/sysinit.target.wants,root,usr/local/bin,usr/share/many,tmp}
    echo 12.0 >"$VM_DIR/bootstrap/etc/debian_version"
    for ((i = 0; i < 300; i++)); do
        printf '%d\n' {1..500} >"$VM_DIR/bootstrap/usr/share/many/$i"
    done
    head -c 8M /dev/urandom >"$VM_DIR/bootstrap/usr/share/large"
    stub chroot <<'END'
root=$1 command=$2
shift 2
case $command in
systemctl) for unit in "${@:2}"; do ln -sfn "$1" "$root/etc/systemd/system/$unit.$1"; done ;;
make) touch "$root/root/prog/made" ;;
*) echo "$command $*" >>"$root/etc/shadow" ;;
esac
END
}

# point N: changes the programs, and so everything that is made from them.
point() {
    echo "#define POINT $1" >prog/point.h
}

# Type and content of each file of tree $1, except for those that differ between labs and points; whole() checks these.
tree() {
    (
        cd "$1" || return
        find . \( -name 'ssh_host_*' -o -name authorized_keys -o -name point.h -o -name '__*' -o -name lost+found \) -prune -o \
            -type f -exec sha256sum {} + -o -printf '%p %y %l\n' | sort
        find . -type f -printf '%p %m\n' | sort
    )
}

# The lab has everything that setup makes from the current programs, the same as an undisturbed setup made ($EXPECTED, a
# tree()). Nothing else is left.
# shellcheck disable=SC2153 # the test's
whole() {
    local root=$VM_DIR/rootfs image=$BATS_TEST_TMPDIR/image status=0
    same "$EXPECTED" "$(tree "$root")"
    cmp prog/point.h "$root/root/prog/point.h"
    "$root/usr/local/bin/__read_write" || status=$?
    same "#define POINT $status" "$(<prog/point.h)"
    cmp "$VM_DIR/ssh/host_ed25519" "$root/etc/ssh/ssh_host_ed25519_key"
    cmp "$VM_DIR/ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
    ssh-keygen -y -f "$VM_DIR/ssh/id_ed25519" | cmp - "$VM_DIR/ssh/id_ed25519.pub"
    cmp "$VM_DIR/bin/__read_write" "$root/usr/local/bin/__read_write"

    e2fsck -fn "$VM_DIR/images/base" >/dev/null 2>&1 || failure 'the image is broken'
    rm -rf "$image"
    mkdir "$image"
    debugfs -R "rdump / $image" "$VM_DIR/images/base" >/dev/null 2>&1
    rmdir "$image/lost+found"
    diff -r --no-dereference "$root" "$image" || failure 'the image is not what the root file system is'
    same "base $(readlink "$VM_DIR/images/base")" "$(cd "$VM_DIR/images" && echo base base-*)"
    nothing_left
}

# setup_succeeds [OPTION...]: ./setup.sh succeeds for $STEPS, and the lab is whole.
setup_succeeds() {
    # shellcheck disable=SC2086 # words
    succeeds ./setup.sh "$@" $STEPS
    says Ready
    whole
}
