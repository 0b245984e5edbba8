# Rates over the message size of a stream.
call "common.gp" ARG1 ARG2 ARG3
set title headline("A stream of messages from vm1 to vm2", "higher is better")
set xlabel "message size; bars: lowest and highest repeat"
set logscale x 2
set xtics ()
set for [i = 6:20:4] xtics add (size_words(2**i) 2**i)
call "rates.gp" ARG1
