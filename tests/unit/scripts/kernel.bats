#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # code in quotes; what bats sets
# Step kernel without a compiler: unpacking, the manifest, the choice of a package, and the config fragment.

load helpers

setup() {
    begin
    make_lab
    mkdir -p "$VM_DIR/cache"
    # ./unpacked: prints the unpacked source files in one line.
    script unpacked <<'END'
kernel_configure() { :; }
kernel_make() { :; }
kernel_install() { (cd "$1/source" && find . -type f) | sed 's,^./,,' | LC_ALL=C sort | paste -sd ' '; }
config_load
step_kernel
END
    local file
    for file in Kconfig kernel/a.c arch/Kconfig arch/x86/a.c arch/x86/crypto/Kconfig arch/arm/a.c arch/arm/crypto/Kconfig \
        arch/arm/boot/a.dts Documentation/Kconfig Documentation/x86/a.rst tools/testing/a.c tools/perf/a.c tools/arch/x86/a.h; do
        mkdir -p "linux-1/$(dirname "$file")"
        touch "linux-1/$file"
    done
    tar -cJf linux-1.tar.xz linux-1
    export KERNEL_SOURCE=$PWD/linux-1.tar.xz
}

@test "files that no x86 kernel needs are not unpacked; every Kconfig file is" {
    succeeds ./unpacked
    same 'Documentation/Kconfig Kconfig arch/Kconfig arch/arm/crypto/Kconfig arch/x86/a.c arch/x86/crypto/Kconfig kernel/a.c tools/arch/x86/a.h' \
        "$(tail -n 1 <<<"$output")"
}

@test "the manifest records the source and its checksum" {
    script built <<'END'
kernel_configure() { mkdir -p "$1/include/config" && echo 6.10.11 >"$1/include/config/kernel.release" && : >"$1/.config"; }
kernel_make() { echo 'a kernel' >"$1/vmlinux"; }
config_load
step_kernel
END
    succeeds ./built
    same 'a kernel' "$(<"$VM_DIR/kernel/vmlinux")"
    same "6.10.11 $KERNEL_SOURCE $(sha256sum linux-1.tar.xz | cut -d ' ' -f 1) false" \
        "$(jq -r '"\(.release) \(.source) \(.sha256) \(.fallback)"' "$VM_DIR/kernel/manifest.json")"
    [[ ! -e $VM_DIR/kernel/source ]]
}

@test "with KERNEL_KEEP_SOURCE=yes the whole source is unpacked" {
    KERNEL_KEEP_SOURCE=yes succeeds ./unpacked
    prints ' arch/arm/a.c ' 'Documentation/x86/a.rst ' ' tools/perf/a.c tools/testing/a.c'
}

# --- Choice of a package, and its config fragment

@test "the mirror's package with the nearest version is used: the same or the next newer, else the newest" {
    stub apt-cache <<<'printf "linux-source-%s - source\n" 6.12 7.3 6.1 5.19'
    script nearest <<<'config_load; kernel_package'
    local version wanted
    while read -r version wanted; do
        succeeds env KERNEL_VERSION="$version" ./nearest
        same "linux-source-$wanted" "$output"
    done <<<'6.10.11 6.12
6.12.3 6.12
6.1.176 6.1
5.4 5.19
8.0 7.3'
    stub apt-cache <<<':'
    succeeds ./nearest
    same '' "$output"
}

# configure LINE...: makes ./configure, which calls kernel_configure with a .config of these lines.
configure() {
    mkdir -p source
    printf '%s\n' "$@" >source/.config
    script configure <<'END'
kernel_make() { :; }
config_load
kernel_configure source
END
    printf '%s\n' CONFIG_A=y CONFIG_PROC_SYSCTL=y '# CONFIG_B is not set' >kernel/lab.config
}

@test "a kernel that needs an option that we turn off is built with it, and setup says so" {
    configure CONFIG_A=y CONFIG_PROC_SYSCTL=y CONFIG_B=y
    succeeds ./configure
    says notice CONFIG_B
}

@test "an option that a later kernel has renamed counts as set" {
    configure CONFIG_A=y CONFIG_SYSCTL=y
    succeeds ./configure
    same '' "$stderr"
}

@test "a kernel that does not accept an option ends setup, with advice" {
    configure CONFIG_PROC_SYSCTL=y '# CONFIG_A is not set'
    fails 1 ./configure
    says 'CONFIG_A=y' kernel/lab.config KERNEL_VERSION
    says_not CONFIG_PROC_SYSCTL
    configure CONFIG_A=y CONFIG_SYSCTL=n
    fails 1 ./configure
    says CONFIG_PROC_SYSCTL=y
}
