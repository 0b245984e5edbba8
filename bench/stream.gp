# MB/s over the message size of a stream.
call "common.gp" ARG1 ARG2 ARG3
set title "Message stream from vm1 to vm2"
set xlabel "message size (log scale); bars: lowest and highest repeat"
set ylabel "MB/s of 10⁶ bytes (log scale)"
set logscale x 2
set logscale y 10
set format y "%g"
set for [i = 6:20:2] xtics add (block_name(2**i) 2**i)
plot for [i = 0:blocks - 1] ARG1 index i using 1:2:3:4 with yerrorlines linetype (i == 0 ? 1 : i + 2) title columnheader(1)
