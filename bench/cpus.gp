# The median round trip between every two CPUs of the host as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title "Median round trip between the host's CPUs, polled, in ns (less is better)"
set xlabel "CPU"
set ylabel "CPU"
set cblabel "ns"
call "heatmap.gp" ARG1 "%g"
