# MB/s over the size of the block that is copied.
load "common.gp"
set title "Copying by memcpy, by size of the block"
set xlabel "block (log₂)"
set ylabel "GB/s (10⁹ bytes; from 0; bars: lowest and highest repeat)"
set logscale x 2
set yrange [0:*]
set for [i = 12:26:2] xtics add (block_name(2**i) 2**i)
plot for [i = 0:blocks - 1] ARG1 index i using 1:($2 / 1000):($3 / 1000):($4 / 1000) with yerrorlines linetype i + 1 title columnheader(1)
