# The median round trip between every two CPUs of the host as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title headline("Round trip between the host's CPUs, polled", "median in ns; lower is better")
set xlabel "CPU"
set ylabel "CPU"
call "heatmap.gp" ARG1 "%g" colour_host_cell
