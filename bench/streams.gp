# The total throughput of several streams at once.
call "common.gp" ARG1 ARG2 ARG3
set title "Several streams at once, 64 KiB messages: total throughput"
set xlabel "number of streams; bars: lowest and highest repeat"
set ylabel "MB/s of 10⁶ bytes (log scale)"
set xtics 1
set autoscale xfix
set logscale y 10
set format y "%g"
set offsets 0.5, 0.5, 0, 0
plot for [i = 0:blocks - 1] ARG1 index i using 1:2:3:4 with yerrorlines linetype (i == 0 ? 1 : i + 2) title columnheader(1)
