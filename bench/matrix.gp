# The median round trip from each VM to each other as a heat map.
call "common.gp" ARG1 ARG2 ARG3
set title "Median round trip, polled, in µs"
set xlabel "answers"
set ylabel "measures"
unset grid
unset key
number(name) = int(substr(name, 3, strlen(name)))
set xtics 1 format "vm%g"
set ytics 1 format "vm%g"
set yrange [*:*] reverse
set cbrange [0:*]
set cblabel "µs"
set palette defined (0 "#f7fbff", 1 "#6baed6", 2 "#08519c")
set size ratio -1
plot ARG1 using (number(strcol(2))):(number(strcol(1))):3 with image, \
     ARG1 using (number(strcol(2))):(number(strcol(1))):(sprintf("%.2f", $3)) with labels
