#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # code in quotes; what bats sets
# The last line of a failed step gives the reason, whichever program failed. The programs are real if they can be made to
# fail here; otherwise their recorded output is used.

load helpers

setup() {
    begin
    script_steps
}

teardown() {
    unmount_all
}

# because TEXT COMMANDS: a step of COMMANDS fails. The last line contains its name, TEXT, the log, and what to do next.
because() {
    printf '%s\n' "$2" >"$WORLD/bad"
    fails 1 ./steps bad
    ends_with 'step bad failed: ' "$1" "$VM_DIR/log/bad.log" './setup.sh'
    [[ ${stderr_lines[-1]} != *'(see above)'* ]] || failure 'there is nothing above the last line'
}

# wrote TEXT STATUS <<END: the same for a program that wrote stdin's text and ended with STATUS.
wrote() {
    cat >"$WORLD/words"
    because "$1" "cat '$WORLD/words' >&2; exit_with() { return $2; }; exit_with"
}

@test "gcc: the first error, not its consequences" {
    printf 'int main(void) { int unused; retrn 0; }\n' >bad.c
    because "bad.c:1:3" 'cd $LAB_HOME; echo "  CC      mm/error-inject.o"; gcc -Wall -Werror -c bad.c'
    ends_with 'error: '
    printf '#include "nowhere.h"\n' >bad.c
    because 'fatal error: nowhere.h: No such file or directory' 'cd $LAB_HOME; gcc -c bad.c'
}

@test "ld: the missing symbol or library" {
    printf 'void missing(void); int main(void) { missing(); }\n' >bad.c
    because "undefined reference to \`missing'" 'cd $LAB_HOME; gcc -o bad bad.c'
    printf 'int main(void) { return 0; }\n' >good.c
    because 'cannot find -lnowhere' 'cd $LAB_HOME; gcc -o good good.c -lnowhere'
}

@test "make: its command's message, or its own message if make is the cause" {
    printf 'all: bad.o\nbad.o: bad.c\n\tgcc -c bad.c\ngood:\n\t@sleep 1; echo good\n' >Makefile
    printf 'rubbish;\nint main(void) { return x; }\n' >bad.c
    because 'bad.c:2:25: error: ' 'make -C $LAB_HOME -j 2 all good'
    because "No rule to make target 'nowhere'" 'make -C $LAB_HOME nowhere'
    printf 'all:\n\t@exit 3\n' >Makefile
    because 'make -C $LAB_HOME' 'make -C $LAB_HOME'
    printf 'all:\n    spaces\n' >Makefile
    because 'missing separator' 'make -C $LAB_HOME'
}

@test "tar and xz: the defect of the archive" {
    echo rubbish >bad.tar.xz
    because 'format not recognized' 'tar --extract --file $LAB_HOME/bad.tar.xz'
    head -c 100000 /dev/urandom >good
    tar -cJf good.tar.xz good
    head -c 50000 good.tar.xz >bad.tar.xz
    because 'Unexpected end of input' 'tar --extract --directory $TMPDIR --file $LAB_HOME/bad.tar.xz'
    because 'nowhere.tar: Cannot open: No such file or directory' 'tar --extract --file $LAB_HOME/nowhere.tar'
}

@test "cp, mv, rm, chroot, cat, cd, redirection: their messages" {
    because "cannot stat '$KIT/nowhere': No such file or directory" 'cp -a $LAB_HOME/nowhere $TMPDIR'
    because "cannot stat '$KIT/nowhere'" 'mv $LAB_HOME/nowhere $TMPDIR'
    because "cannot remove" 'rm $LAB_HOME/nowhere'
    because 'chroot: ' 'chroot $LAB_HOME/nowhere true'
    because 'nowhere: No such file or directory' 'cat $LAB_HOME/nowhere | cat'
    because 'nowhere: No such file or directory' 'cd $LAB_HOME/nowhere'
    because 'No such file or directory' 'echo x >$LAB_HOME/nowhere/x'
}

@test "mke2fs: a folder that does not fit" {
    have_tool mke2fs
    mkdir full
    head -c 4M /dev/urandom >full/file
    because 'Could not allocate block' 'mke2fs -q -t ext4 -d $LAB_HOME/full $TMPDIR/image 2M'
}

# Debian's administration commands are not in every user's PATH.
have_tool() {
    PATH=$PATH:/usr/sbin:/sbin
    command -v "$1" >/dev/null || skip "there is no $1 here"
}

@test "apt-get, dpkg-deb and gpgv: their messages" {
    have_tool apt-get
    because 'E: ' 'apt-get -o Debug::NoLocking=1 --simulate install no-such-package-at-all'
    ends_with 'no-such-package-at-all'
    echo rubbish >bad.deb
    because 'dpkg-deb: error: ' 'dpkg-deb --info $LAB_HOME/bad.deb'
    because 'gpgv: ' 'gpgv --keyring $LAB_HOME/nowhere $LAB_HOME/bad.deb'
}

@test "curl: the server that it could not reach" {
    because 'curl: (7) Failed to connect to 127.0.0.1 port 1' 'curl --silent --show-error http://127.0.0.1:1/'
}

@test "bash: an unknown command and an unset variable" {
    because 'no-such-command: command not found' 'no-such-command'
    because 'nowhere: unbound variable' 'echo $nowhere'
}

@test "the kit's own message comes first and contains the cause" {
    because 'cannot fetch it (curl: (7) Failed to connect to 127.0.0.1 port 1' \
        'curl --silent --show-error http://127.0.0.1:1/ || die "cannot fetch it (see above): give another"'
    ends_with 'give another'
    because 'failed: no tarball: give one' 'echo "x: No such file or directory"; die "no tarball: give one"'
    because 'failed: not to be trusted (no key signed it): give one' \
        'error "no key signed it"; die "not to be trusted (see above): give one"'
    because 'failed: no reason: give one' 'die "no reason (see above): give one"'
}

@test "an error that the step survived is not its reason" {
    because 'false ended' 'step_says Trying; echo "curl: (6) Could not resolve host: nowhere" >&2; step_says "Otherwise"; false'
    [[ ${stderr_lines[-1]} != *curl* ]]
    because 'the second' 'echo "E: the first"; step_notice "going on without"; echo "E: the second"; false'
}

@test "a command that prints no error is named with its status" {
    because 'grep -q x /dev/null ended with status 1' 'grep -q x /dev/null'
    because 'sh -c "echo Sorry; exit 3" ended with status 3; its log ends with: Sorry' 'sh -c "echo Sorry; exit 3"'
    because 'ended with status 4' 'exit 4'
    because 'false ended' 'f() { local x; x=$(false); echo "$x"; }; f'
}

@test "a command or the step's shell is killed: the signal is named, and bash's message is not shown" {
    because 'sh -c "kill -KILL \$\$" was ended by SIGKILL' 'sh -c "kill -KILL \$\$"'
    because 'sh -c "kill -SEGV \$\$" was ended by SIGSEGV' 'sh -c "kill -SEGV \$\$"'
    because 'was ended by SIGKILL' 'kill -KILL $BASHPID'
    because 'was ended by SIGTERM' 'echo "E: long ago" >&2; kill -TERM $BASHPID'
    says_not 'Killed'
    says_not 'Terminated'
}

@test "a lack of memory is reported" {
    stub awk <<'END'
[[ ${*: -1} == /proc/vmstat ]] || exec /usr/bin/awk "$@"
cat "$WORLD/kills" 2>/dev/null || echo 7
END
    because 'memory ran out' 'echo 8 >$WORLD/kills; echo "gcc: fatal error: Killed signal terminated program cc1"; false'
    ends_with 'Killed signal terminated program cc1' BUILD_JOBS
    rm "$WORLD/kills"
    because 'false ended' false
    [[ ${stderr_lines[-1]} != *memory* ]]
}

@test "overwritten progress lines, colours and random bytes in the log" {
    because 'E: the cause' 'printf "10%%\r20%%\r\e[31mE: the \e[1mcause\e[0m\r\n\0\1\n"; false'
    ((${#stderr_lines[-1]} < 800))
    because 'ended with status' 'head -c 100000 /dev/urandom; false'
    because 'ended with status' 'printf "the last byte begins a character \\xe2"; false'
    because 'E: x' 'printf "E: "; printf "x%.0s" {1..5000}; false'
    ((${#stderr_lines[-1]} < 800))
}

@test "the log is on a full disk: the free space is given" {
    small_disk "$VM_DIR" 1M
    because 'MB are free' 'head -c 2M /dev/zero >$VM_DIR/filling'
    ends_with "0 MB are free in $VM_DIR: free some space there"
    rm -f "$VM_DIR/filling"
    because 'E: another cause' 'echo "E: another cause"; false'
}

@test "the disk has no inode for the log: the reason says that the log could not be made" {
    small_disk "$VM_DIR" 1M nr_inodes=5
    because 'its log could not be made' true
}

@test "tar, cp and gcc on a full disk" {
    small_disk "$BATS_TEST_TMPDIR/small" 64K
    head -c 1M /dev/urandom >large
    tar -cf large.tar large
    because 'No space left on device' "cp large '$BATS_TEST_TMPDIR/small'"
    because 'tar: large: Wrote only' "tar --extract --directory '$BATS_TEST_TMPDIR/small' --file large.tar"
    because 'No space left on device' "sort -o '$BATS_TEST_TMPDIR/small/sorted' large"
}

# --- Recorded output of failures that cannot be reproduced here

@test "dpkg: its messages" {
    wrote 'dpkg: error processing archive /x/a.deb (--unpack): cannot copy extracted data' 100 <<'END'
Unpacking a (1.0) ...
dpkg: error processing archive /x/a.deb (--unpack):
 cannot copy extracted data for './usr/bin/a' to '/usr/bin/a.dpkg-new': failed to write (No space left on device)
dpkg-deb: error: paste subprocess was killed by signal (Broken pipe)
Errors were encountered while processing:
 /x/a.deb
E: Sub-process /usr/bin/dpkg returned an error code (1)
END
    wrote 'installed a package post-installation script subprocess returned error exit status 1' 100 <<'END'
Setting up libgpg-error0:amd64 (1.46-1) ...
Setting up a (1.0) ...
dpkg: error processing package a (--configure):
 installed a package post-installation script subprocess returned error exit status 1
Setting up b (1.0) ...
update-alternatives: using /usr/bin/b to provide /usr/bin/c (c) in auto mode
Errors were encountered while processing:
 a
E: Sub-process /usr/bin/dpkg returned an error code (1)
END
    wrote 'dpkg was interrupted' 100 <<'END'
E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.
END
}

@test "apt: its messages" {
    wrote 'It is held by process 812 (unattended-upgr)' 100 <<'END'
E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)
N: Be aware that removing the lock file is not a solution and may break your system.
E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?
END
    wrote 'Failed to fetch http://deb/pool/a.deb  404  Not Found' 100 <<'END'
Err:1 http://deb bookworm/main amd64 a amd64 1.0
  404  Not Found
E: Failed to fetch http://deb/pool/a.deb  404  Not Found [IP: 127.0.0.1 80]
E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?
END
}

@test "debootstrap, unshare and mount: their messages" {
    wrote "Couldn't download packages: libc6" 1 <<'END'
I: Retrieving libc6 2.36-9
W: Couldn't download package libc6 (ver 2.36-9 arch amd64) at http://deb/libc6.deb
E: Couldn't download packages: libc6
END
    wrote 'unshare: unshare failed: Operation not permitted' 1 <<'END'
unshare: unshare failed: Operation not permitted
END
    wrote 'mount: /dev: permission denied' 1 <<'END'
mount: /dev: permission denied.
END
}

@test "mke2fs, ld and as on a full disk" {
    wrote 'mke2fs: No space left on device while trying to create' 1 <<'END'
mke2fs: No space left on device while trying to create /x/base.ext4.partial
END
    wrote 'Could not allocate block in ext2 filesystem while writing file "vmlinux"' 1 <<'END'
__populate_fs: Could not allocate block in ext2 filesystem while writing file "vmlinux"
mke2fs: Could not allocate block in ext2 filesystem while populating file system
END
    wrote 'final link failed: No space left on device' 2 <<'END'
  LD      vmlinux.o
/usr/bin/ld: final link failed: No space left on device
make[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Error 1
make[1]: *** [/x/Makefile:1166: vmlinux] Error 2
make: *** [Makefile:234: __sub-make] Error 2
END
    wrote 'as: BFD (GNU Binutils for Debian) 2.40' 2 <<'END'
  CC      mm/slub.o
/usr/bin/as: BFD (GNU Binutils for Debian) 2.40 assertion fail: cannot write
{standard input}: Fatal error: can't write 12 bytes to section .text of mm/slub.o: 'No space left on device'
  CC      mm/failslab.o
make[3]: *** [scripts/Makefile.build:244: mm/slub.o] Error 1
make: *** Waiting for unfinished jobs....
END
}
