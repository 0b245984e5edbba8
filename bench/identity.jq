# What two results must have in common to be compared: a line NAME=VALUE for each. $host: host.json; $runs: the runs.
include "common";

$host[0] as $host
| "schema=\($host.schema)", "mode=\($host.mode)", "cpu=\($host.host.cpu)", "cpus=\($host.host.cpus)",
"host_kernel=\($host.host.kernel)", "qemu=\($host.qemu)", "accelerator=\($host.accelerator)",
"guest_kernel=\($host.manifest.kernel | guest_kernel)", "debian=\($host.manifest.debian.suite)",
"region_bytes=\($host.region_bytes)", "shmem_mode=\($host.shmem_mode)", "smp=\($host.smp)", "vms=\($host.vms)",
"complete=\($host.complete)",
"programs=\([$runs[0][].records[] | "\(.program) \(.version)"] | unique | join(", "))"
