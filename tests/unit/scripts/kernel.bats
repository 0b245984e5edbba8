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
kernel_build_tree() { :; }
kernel_modules() { :; }
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
kernel_configure source wanted
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
    says 'CONFIG_A=y from kernel/lab.config' KERNEL_VERSION
    says_not CONFIG_PROC_SYSCTL
    configure CONFIG_A=y CONFIG_SYSCTL=n
    fails 1 ./configure
    says CONFIG_PROC_SYSCTL=y
}

@test "KERNEL_CONFIG adds fragments: every line is checked, the last one for an option counts" {
    configure CONFIG_A=y CONFIG_PROC_SYSCTL=y CONFIG_B=y CONFIG_C=m 'CONFIG_D="a b"'
    printf '# mine\n\nCONFIG_B=y\nCONFIG_C=y\n' >kernel/one.config
    printf 'CONFIG_C=m\nCONFIG_D="a b"\n' >"$BATS_TEST_TMPDIR/two.config"
    KERNEL_CONFIG="kernel/one.config $BATS_TEST_TMPDIR/two.config" succeeds ./configure
    same '' "$stderr"
    same 'CONFIG_A=y CONFIG_PROC_SYSCTL=y CONFIG_B=y CONFIG_C=m CONFIG_D="a b"' "$(paste -sd ' ' wanted)"
    KERNEL_CONFIG="$BATS_TEST_TMPDIR/two.config kernel/one.config" fails 1 ./configure
    says 'CONFIG_C=y from kernel/one.config'
}

@test "CONFIG_X=n in a fragment is the same as '# CONFIG_X is not set'" {
    configure CONFIG_A=y CONFIG_PROC_SYSCTL=y
    printf 'CONFIG_C=y\nCONFIG_C=n\n' >kernel/one.config
    KERNEL_CONFIG=kernel/one.config succeeds ./configure
    same '' "$stderr"
    same '# CONFIG_C is not set' "$(tail -n 1 wanted)"
}

@test "a line of a fragment that is no line of a kernel's configuration is named" {
    configure CONFIG_A=y CONFIG_PROC_SYSCTL=y
    local line
    for line in 'CONFIG_X = y' 'CONFIG_X=' 'X=y' '#CONFIG_X is not set ' $'CONFIG_X=y\r' '  CONFIG_X=y'; do
        printf '# mine\n%s\n' "$line" >kernel/one.config
        case $line in
        '#'*) KERNEL_CONFIG=kernel/one.config succeeds ./configure ;; # a comment
        *)
            KERNEL_CONFIG=kernel/one.config fails 1 ./configure
            says 'kernel/one.config, line 2,'
            ;;
        esac
    done
}

@test "the fragments are inputs of the step" {
    script inputs <<<'config_load; inputs_kernel'
    echo CONFIG_X=y >kernel/one.config
    KERNEL_CONFIG=kernel/one.config succeeds ./inputs
    prints kernel/lab.config= kernel/one.config=
    local before=$output
    echo CONFIG_X=m >kernel/one.config
    KERNEL_CONFIG=kernel/one.config succeeds ./inputs
    refuted test "$output" = "$before"
}

# --- What the kernel leaves for modules

@test "the build tree has what building a module takes, and neither objects nor the kernel's sources" {
    local tree=built-source file
    for file in Makefile .config Module.symvers vmlinux include/linux/a.h include/generated/b.h arch/x86/Makefile arch/x86/Makefile_32.cpu \
        arch/x86/include/asm/a.h arch/x86/kernel/a.c scripts/mod/modpost scripts/mod/modpost.c scripts/mod/modpost.o scripts/mod/.modpost.cmd \
        scripts/kconfig/conf scripts/genksyms/genksyms scripts/Makefile.build scripts/module.lds tools/objtool/objtool kernel/a.o; do
        mkdir -p "$tree/$(dirname "$file")"
        touch "$tree/$file"
    done
    chmod 755 "$tree/tools/objtool/objtool"
    ln -s a.h "$tree/include/linux/link.h"
    script build_tree <<<'kernel_build_tree "$@"'
    succeeds ./build_tree "$tree" result
    same '.config Makefile Module.symvers arch/x86/Makefile arch/x86/Makefile_32.cpu arch/x86/include/asm/a.h include/generated/b.h include/linux/a.h include/linux/link.h scripts/Makefile.build scripts/genksyms/genksyms scripts/mod/modpost scripts/mod/modpost.c scripts/module.lds tools/objtool/objtool' \
        "$(cd result && find . ! -type d | sed 's,^./,,' | LC_ALL=C sort | paste -sd ' ')"
    rm -r result "$tree/tools"
    succeeds ./build_tree "$tree" result
    refuted test -e result/tools
}
