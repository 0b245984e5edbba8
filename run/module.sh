# shellcheck shell=bash
# ./run.sh module: builds a kernel module of the user's own on the host, and loads it in the guests.

# module_run FOLDER [VM...]: builds the modules of FOLDER against the lab's kernel, copies them into the running VMs, or into the
# named ones, and loads them there.
module_run() {
    local folder vms
    local -a files
    (($#)) || usage_error 'module needs the folder of a module, such as driver'
    [[ -d $1 ]] || usage_error "module: no such folder: $(quoted "$1")"
    folder=$(realpath -- "$1")
    [[ $folder =~ ^[[:alnum:]._/+@,=~-]+$ ]] || die "make cannot build a module in $(quoted "$folder"):" \
        "the path may only have letters, digits and . _ + @ , = ~ - /; copy the folder elsewhere"
    [[ -e $folder/Kbuild || -e $folder/Makefile ]] || die "there is no Makefile in $folder: it needs one with a line such as" \
        "obj-m := NAME.o (linux: Documentation/kbuild/modules.rst)"
    vms=$(vms_to_use "${@:2}")
    module_build "$folder"
    lines_of files module_files "$folder"
    ((${#files[@]})) || die "$folder has built no module: its Makefile needs a line such as obj-m := NAME.o"
    RUN_TEMP=$(mktemp -d)
    tar --create --file "$RUN_TEMP/tarball" --owner=0 --group=0 --transform='s,.*/,,' --absolute-names -- "${files[@]}"
    say "Loading ${files[*]##*/} in ${vms//$'\n'/ }"
    run_all "$vms" "$RUN_TEMP/tarball" bash -c "$MODULE_IN_GUEST" bash "${files[@]##*/}"
}

# Builds the modules of folder $1, in that folder.
module_build() {
    local tree=$VM_DIR/kernel/build
    [[ -e $tree/Module.symvers ]] || die "there is no build tree in $tree: run ./setup.sh"
    say "Building $1 for Linux $(<"$tree/include/config/kernel.release")"
    make -C "$tree" --no-print-directory -j "$(nproc)" M="$1" modules >&2 &
    CHILDREN=("$!")
    wait "$!" || die "$1 does not build (see above)"
    CHILDREN=()
}

# Prints the paths of the modules that were built in folder $1, in the order in which its makefiles name them. Up to Linux 6.1
# modules.order has the names of the modules, later those of the object files.
module_files() {
    local name
    while read -r name; do
        name=${name%.*}.ko
        [[ $name == /* ]] || name=$1/$name
        printf '%s\n' "$name"
    done <"$1/modules.order"
}

# Unloads the modules in reverse order, loads them, and prints what the kernel logged meanwhile. Read backwards, because a module
# that logs much may push the mark out of the kernel's buffer.
# shellcheck disable=SC2016 # for the guest's shell
MODULE_IN_GUEST='set -e
folder=/lib/modules/$(uname -r)/extra
mkdir -p "$folder"
tar --extract --directory "$folder"
cd "$folder"
mark="run.sh module $$ $RANDOM"
echo "$mark" >/dev/kmsg
trap '\''dmesg | tac | sed "/$mark/Q" | tac'\'' EXIT
loaded() { [ -d "/sys/module/$1" ]; }
for ((i = $#; i > 0; i--)); do
    name=${!i} name=${name%.ko} name=${name//-/_}
    if loaded "$name"; then rmmod "$name"; fi
done
for file; do
    insmod "$file"
done'
