# The median round trip from each VM to each other as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title headline("Round trip between VMs, polled", "median in ns; lower is better")
set xlabel "VM that answers"
set ylabel "VM that measures"
call "heatmap.gp" ARG1 "vm%g" colour_uc_cell
