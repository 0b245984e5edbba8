#!/usr/bin/env bats
# shellcheck disable=SC2154 # what bats sets
# Programs that go on after errors of the library: each error comes twice in one process, and leaves nothing behind.

load doorbell.bash

setup_file() {
    build_programs
    build_server
    compile fake-server fake-server.c
    compile_sanitized errors errors.c
    compile_sanitized meetings meetings.c
}

setup() {
    begin_region 16M
}

# survives EXPECTED ACTION ARGUMENT [ACTION ARGUMENT]...: errors.c does these, each twice. EXPECTED is what it prints, a line
# for each action. It has no more files and mappings than before, and no sanitizer finds anything.
survives() {
    succeeds errors "${@:2}"
    same "$(sed p <<<"$1"; echo '0 files and 0 mappings more')" "$output"
}

# --- The region and the device

@test "errors of opening a region" {
    truncate -s 4096 tiny
    truncate -s 1048577 odd
    survives '1 cannot open absent: No such file or directory; to create one: truncate -s 128M FILE
1 . is not an ordinary file, nor a server'\''s socket; -f needs one
1 tiny has 4096 bytes; a region is whole pages of memory, 1 MiB at least
1 odd has 1048577 bytes; a region is whole pages of memory, 1 MiB at least
fine' open absent open . open tiny open odd open region
}

@test "errors of finding a device and its memory" {
    survives '1 cannot list devices: No such file or directory; is this a VM with a PCI bus and sysfs mounted? -f FILE needs neither' \
        device ''
    mkdir $TREE
    survives '1 this machine has no ivshmem device (PCI 1af4:1110); run this in a VM that start.sh has started, or on a file with -f FILE' \
        device ''
    ivshmem $DEVICE
    ivshmem 0000:00:05.0 0
    ivshmem 0000:00:06.0 $((0xf1000000)) $MIB 00
    survives '1 3 ivshmem devices, the first two at 0000:00:04.0 and 0000:00:05.0; choose with -d ADDRESS, see: lspci -D -d 1af4:1110
2 '\''4'\'' is not a PCI address like 0000:00:04.0
1 there is no ivshmem device (PCI 1af4:1110) at 0000:00:07.0; see: lspci -D -d 1af4:1110
1 BAR 2 of 0000:00:05.0 has no memory; the kernel log says why: dmesg | grep 0000:00:05.0
1 the memory of 0000:00:06.0 is switched off and cannot be switched on; see: lspci -vs 0000:00:06.0
1 -m wb: BAR 2 of 0000:00:04.0 is at 0xf0000000, and below 4 GiB a write-back mapping comes out uncached; start the VMs with BAR_ABOVE_4G other than '\''no'\'', or use -m uc or wc
fine' device '' device 4 device 0000:00:07.0 device 0000:00:05.0 device 0000:00:06.0 device wb:$DEVICE device $DEVICE
}

# --- What is in the region

@test "errors of areas" {
    truncate -s $((64 * MIB)) region
    survives "1 area 'a b': a name has 1 to 39 printable characters, and no space
1 area 'none': its size must not be 0
fine
1 area 'one' has 4096 bytes already, not 4097
1 area 'large': 99999999999 bytes do not fit, 28307456 are left; set a larger SHMEM_SIZE on the host and restart the VMs, or give a larger file" \
        area '1=a b' area 0=none area 4096=one area 4097=one area 99999999999=large
    le64 1 | put region $((0xe028))
    survives '5 the directory of areas has an impossible entry: another program wrote there; zero the region (./run.sh clear)' \
        area 4096=one
    same 0000000000000000 "$(word region $((64 * 3)))" # the claim of the directory is given back
}

@test "errors of claims: a holder that may be dead, or a claim lost to another" {
    le64 $((0x123456780001)) | put region $((64 * 32))
    survives '1 another VM holds the test, and gave no sign of life within 0.05 s; wait longer: after 3 s without one it loses that' \
        claim 'the test'
    le64 0 | put region $((64 * 32))
    lost='1 another VM took over the test, because this one gave no sign of life for 3 s; run this program again'
    survives "$lost
$lost
fine" renew 'the test' drop 'the test' claim 'the test'
}

@test "errors of meetings: nobody, a seat that is lost" {
    le64 $((0x123456780001)) | put region $((0x3000))
    survives '3 the test: not met' meet 'the test'
    le64 0 | put region $((0x3000))
    lost='1 another VM took over our seat of the test, because this one gave no sign of life for 3 s; run this program again'
    survives "$lost
$lost
fine" beat 'the test' check 'the test' meet 'the test'
}

@test "errors of another layout: no claim, no area, no meeting" {
    version=$(sed -n 's/^enum { SHMEM_LAYOUT_VERSION = \([0-9]*\) };$/\1/p' "$PROG/layout.h")
    survives fine claim 'the test'
    header=$(word region 0xf80)
    le64 $((16#$header + (1 << 36))) | put region $((0xf80))
    other="1 the region is in use for 16777216 bytes, layout $((version + 1)), by programs of $(hostname), but this one is for 16777216 bytes, layout $version: put the same programs, with the same SHMEM_SIZE in prog.h, into all VMs (./run.sh push), then zero the region (./run.sh clear)"
    survives "$other
$other
$other" claim 'the test' area 4096=one meet 'the test'
}

# --- The doorbell

# survives_no_eventfd CALL: the fake server sends a descriptor that is not an eventfd for a vector, and ends after one client.
survives_no_eventfd() {
    succeeds errors "$1" server
    same '1 the server at server sent a descriptor for a vector that is not an eventfd; is it an ivshmem server?' "${lines[0]}"
    # The next client is refused, or dropped from the queue.
    [[ ${lines[1]} == '1 cannot connect to server: Connection refused; '* ||
        ${lines[1]} == '1 the server at server closed the connection before all was set up'* ]]
    same '0 files and 0 mappings more' "${lines[2]}"
    await fake
}

@test "errors of opening a doorbell, on the host" {
    rm -f server
    survives '1 cannot open absent: No such file or directory; is the ivshmem server running?
1 region is an ordinary file and has no interrupts; they need the socket of the ivshmem server: -f SOCKET' \
        doorbell absent doorbell region
    fake 0 3 -1=region 3=event 5=event 5=region
    survives_no_eventfd doorbell
    for file in region tiny; do
        truncate -s 4096 tiny
        fake 0 3 -1=$file -1=$file
        succeeds errors doorbell server
        [[ ${lines[0]} == '1 the '* && ${lines[2]} == '0 files and 0 mappings more' ]]
        await fake
    done
    serve
    survives fine doorbell server
}

@test "errors of waiting: a server that sends rubbish later; a UIO device that ends" {
    fake 0 3 -1=region 3=event wait=open 9=region
    survives_no_eventfd wait
    doorbell_device
    uio_device 8
    survives '1 vector 0 gets no more interrupts: its UIO device has ended; was the device taken from ivshmem_uio?' wait ''
}

@test "errors of waiting for a late ring: the seat is lost meanwhile" {
    serve
    lost='1 another VM took over our seat of the test, because this one gave no sign of life for 3 s; run this program again'
    survives "$lost" late server
}

@test "errors of opening a doorbell, on a device" {
    ivshmem $DEVICE
    survives '1 this VM was started with SHMEM_MODE=plain: its device at 0000:00:04.0 has no interrupts; on the host, stop the VMs and start them with SHMEM_MODE=doorbell' \
        doorbell ''
    put_bytes "$TREE/$DEVICE/config" $((0x34)) 48
    survives '1 cannot read devices/0000:00:04.0/config: it is cut short; run as root' doorbell ''
    doorbell_device
    ln -s drivers/vfio-pci "$TREE/$DEVICE/driver"
    mkdir $VFIO
    : >$VFIO/vfio
    survives '1 vfio of this kernel works without an IOMMU only if that is allowed: echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode (CONFIG_VFIO_NOIOMMU)' \
        doorbell ''
    uio_device 7
    survives '1 vector 7 of the device at 0000:00:04.0 has no UIO device; the kernel log says why: dmesg | grep ivshmem_uio' doorbell ''
    uio_device 8
    survives fine doorbell ''
}

# --- Channels

@test "channels that do not open, and are closed all the same" {
    local rule='a name has 1 to 39 printable characters, and no space'
    survives "1 no receiver came to channel news within 0.05 s
6 area 'a b': $rule" channel news channel 'a b'
    survives "1 no receiver came to channel sums.request within 0.05 s
6 area 'a b.request': $rule" request sums request 'a b'
    survives "1 no receiver came to channel crowd.0 within 0.05 s
6 area 'a b.0': $rule" join crowd join 'a b'
    survives "fine
6 area 'a b.0': $rule
6 area 'wide.2': 1052672 bytes do not fit, 233472 are left; set a larger SHMEM_SIZE on the host and restart the VMs, or give a larger file" \
        gather 0=crowd gather '0=a b' gather 1048576=wide
}

# --- Others

@test "errors of choosing a CPU and a copy kernel" {
    survives '1 cannot run on CPU 99999: Invalid argument
2 SHMEM_COPY=quick: there is no such copy kernel; __bandwidth -k list shows them
fine' pin 99999 copy quick copy ''
}

# --- Meetings of any lifetime

@test "meeting in steps: they do not block, so one program can play both sides" {
    succeeds meetings steps
    same $'-1 -1\n1 0\none session' "$output"
}

@test "meeting in steps: who loses its seat before it has met takes one again" {
    succeeds meetings lost
    same $'alone 1\nalone -1\nalone 1' "$output"
}

@test "more meetings at a time than the end of the program can give up are an error" {
    succeeds meetings most
    same '64: 1 this program sits in 64 meetings, channels among them, which is the most: leave one first' "$output"
}

@test "many meetings of one program: those that it left are forgotten, and the end gives the others back" {
    background one meetings many
    wait_until_said out.one sits
    for seat in 0x3000 0x3040 0x3080; do
        refuted test "$(word region "$seat")" = 0000000000000000
    done
    kill "$one"
    await one
    ((status == 128 + 15))
    for seat in 0x3000 0x3040 0x3080; do
        same 0000000000000000 "$(word region "$seat")"
    done
}
