# shellcheck shell=bash
# What the measuring scripts share. They need an idle machine: the load of others is neither waited for nor subtracted.

RUNS=5

# The median of the numbers on stdin, by nearest rank, with the lowest and the highest.
spread() {
    sort -n | awk '{ v[NR] = $1 } END { printf "%s (%s to %s, %d runs)\n", v[int((NR + 1) / 2)], v[1], v[NR], NR }'
}

# repeat COMMAND...: runs a command that prints a figure RUNS times. The figures are shown on stderr too.
repeat() {
    local i
    for ((i = 0; i < RUNS; i++)); do
        "$@" | tee /dev/stderr
    done
}

row() {
    printf '| %s | %s | %s |\n' "$@"
}

table() {
    row what measured target
    row --- --- ---
}
