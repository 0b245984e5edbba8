# shellcheck shell=bash
# What the measuring scripts share. An idle machine is needed: nothing else is waited for or subtracted.

RUNS=5

# The median of the numbers on stdin, with their least and greatest.
spread() {
    sort -n | awk '{ v[NR] = $1 } END { printf "%s (%s to %s, %d runs)\n", v[int((NR + 1) / 2)], v[1], v[NR], NR }'
}

# repeat COMMAND...: RUNS times, a figure each on stdout; also shown.
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
