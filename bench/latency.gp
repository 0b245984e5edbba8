# Percentiles of round trips. The x axis counts nines: 1 is 90 %, 2 is 99 %.
call "common.gp" ARG1 ARG2 ARG3
set title "Round trip of a word between vm1 and vm2"
set xlabel "percentile of round trips"
set ylabel "µs (log scale)"
set logscale y 10
set format y "%g"
set xrange [0:6.2]
set xtics ("50 %%" 0.30103, "90 %%" 1, "99 %%" 2, "99.9 %%" 3, "99.99 %%" 4, "99.999 %%" 5, "99.9999 %%" 6)
plot for [i = 0:blocks - 1] ARG1 index i using 1:2 with lines linewidth 2 linetype (i == 0 ? 1 : i + 2) title columnheader(1)
