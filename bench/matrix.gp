# The median round trip from each VM to each other as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title "Median round trip between VMs, polled, in µs (less is better)"
set xlabel "VM that answers"
set ylabel "VM that measures"
set cblabel "µs"
call "heatmap.gp" ARG1 "vm%g"
