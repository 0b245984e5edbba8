# Round trips: the time below which that part of them stayed. Steps of the x axis are nines.
call "common.gp" ARG1 ARG2 ARG3
set title "Round trip of a word between vm1 and vm2"
set xlabel "percentile: so many took at most so long"
set ylabel "µs (log)"
set logscale y 10
set format y "%g"
set xrange [0:6.2]
set xtics ("50 %%" 0.30103, "90 %%" 1, "99 %%" 2, "99.9 %%" 3, "99.99 %%" 4, "99.999 %%" 5, "99.9999 %%" 6)
plot for [i = 0:blocks - 1] ARG1 index i using 1:2 with lines linewidth 2 linetype (i == 0 ? 1 : i + 2) title columnheader(1)
