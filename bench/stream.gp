# MB/s over the size of the messages of a stream.
load "common.gp"
set title "Stream from vm1 to vm2, by size of the message"
set xlabel "message (log₂)"
set ylabel "MB/s (10⁶ bytes; log₁₀; bars: lowest and highest repeat)"
set logscale x 2
set logscale y 10
set for [i = 6:20:2] xtics add (block_name(2**i) 2**i)
plot for [i = 0:blocks - 1] ARG1 index i using 1:2:3:4 with yerrorlines linetype (i == 0 ? 1 : i + 2) title columnheader(1)
