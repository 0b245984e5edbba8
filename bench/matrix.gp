# The median round trip from each VM to each other as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title "Median round trip, polled, in µs"
set xlabel "VM that answers"
set ylabel "VM that measures"
unset grid
unset key
number(name) = int(substr(name, 3, strlen(name)))
set offsets 0, 0, 0, 0
set xtics 1 format "vm%g"
set ytics 1 format "vm%g"
stats ARG1 using (number(strcol(1))) name "VM" nooutput
set xrange [VM_min - 0.5:VM_max + 0.5]
set yrange [VM_max + 0.5:VM_min - 0.5]
set cbrange [0:*]
set cblabel "µs"
# Light enough to print black numbers on.
set palette defined (0 "#ffffff", 1 "#56b4e9")
set style fill solid
set size ratio 1
set bmargin 4
plot ARG1 using (number(strcol(2))):(number(strcol(1))):(0.5):(0.5):3 with boxxyerror linecolor palette, \
     ARG1 using (number(strcol(2))):(number(strcol(1))):(sprintf("%.3g", $3)) with labels
