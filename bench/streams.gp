# The sum of the rates of several streams at once.
call "common.gp" ARG1 ARG2 ARG3
set title headline("Several streams at once: the sum of all", "higher is better; messages of 64 KiB")
set xlabel "number of streams; bars: lowest and highest repeat"
set xtics 1
call "rates.gp" ARG1
