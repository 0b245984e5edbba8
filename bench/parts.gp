# The parts of the time of a message: a bar for the sender and one for the receiver, of the VMs and of the host.
call "common.gp" ARG1 ARG2 ARG3
stats ARG1 index "rows" using 1 name "ROW" nooutput
set title headline("Where the time of a 64 KiB message goes", "left: the whole time; lower is better")
set xrange [0:1]
set yrange [ROW_max + 0.75:0.4]
set lmargin 14
set rmargin 3
set border 0
unset grid
set tics scale 0
unset xtics
set bmargin 0.5

# A tone is a part of the colour that a bar has. A wait is nothing but its outline.
tones = "wait check copy small"
opacity(tone) = tone eq "copy" ? 0.5 : tone eq "check" ? 0.3 : tone eq "small" ? 0.9 : 0.0
half = 0.27
plot for [thing in "uc host-region"] for [tone in tones] ARG1 index tone . "-" . thing \
        using (0.5 * ($1 + $2)):3:1:2:($3 - half):($3 + half) with boxxyerror \
        linecolor rgb (thing eq "uc" ? colour_uc : colour_host) linewidth 1 dashtype 1 fillstyle transparent solid opacity(tone) border \
        title columnheader(1), \
     ARG1 index "words" using 1:2:(strcol(3) . "\n" . strcol(4)) with labels font ",12" offset 0, 0.4 notitle, \
     ARG1 index "rows" using (0):1:ytic(strcol(2) . "\n" . strcol(3)) with points pointtype -1 notitle, \
     ARG1 index "notes" using (1):($1 + 0.4):2 with labels right font ",11" notitle
