# Checks that host.json has what the report reads. Prints true, or ends with an error that names what is missing.
def kinds: {
    string: ["host.cpu", "host.kernel", "host.load_before", "mode", "started", "kit", "qemu", "accelerator", "shmem_mode", "smp", "programs"],
    number: ["host.cpus", "host.memory_mib", "region_bytes", "vms", "link_mtu"],
    boolean: ["complete"], array: ["left_out"], object: ["host.caches", "manifest.kernel", "manifest.debian"]
};
. as $host
| [kinds | to_entries[] | .key as $kind | .value[]
    | . as $name | select([$host | getpath($name | split("."))? | type] != [$kind])]
| if . == [] then true else error("missing, or of another type: \(join(", "))") end
