# MB/s over the block size.
call "common.gp" ARG1 ARG2 ARG3
set title "memcpy by block size"
set xlabel "block size (log scale); bars: lowest and highest repeat"
set ylabel "MB/s of 10⁶ bytes (log scale)"
set logscale x 2
set logscale y 10
set format y "%g"
set for [i = 12:26:2] xtics add (block_name(2**i) 2**i)
plot for [i = 0:blocks - 1] ARG1 index i using 1:2:3:4 with yerrorlines linetype i + 1 title columnheader(1)
