# Rates over the block size.
call "common.gp" ARG1 ARG2 ARG3
set title headline("memcpy into the region", "higher is better; own: within its own memory")
set xlabel "block size; bars: lowest and highest repeat"
set logscale x 2
set xtics ()
set for [i = 12:26:4] xtics add (size_words(2**i) 2**i)
call "rates.gp" ARG1
