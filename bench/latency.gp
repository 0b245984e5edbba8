# Percentiles of round trips. The x axis counts nines: 1 is 90 %, 2 is 99 %.
call "common.gp" ARG1 ARG2 ARG3
in_words(us) = time_words(us)
call "scale.gp" ARG1
set title headline("Round trip of a word between two VMs", "lower is better")
set xlabel "percentile: 99 of 100 are not slower than p99"
set xtics ("p50" 0.30103, "p90" 1, "p99" 2, "p99.9" 3, "p99.99" 4, "p99.999" 5, "p99.9999" 6, "p99.99999" 7) font ",12"
set rmargin 5
if (NAMED_min == 0) {
    set key at graph 0.5, graph 1 center bottom horizontal samplen 1
    set tmargin 6.4
    set title offset 0, 2.9
}
plot for [i = 1:words(things)] ARG1 index word(things, i) using 1:2 with lines linetype i title columnheader(1), \
     ARG1 index "names" using 1:2:3 with labels left notitle
