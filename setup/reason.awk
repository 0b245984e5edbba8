# The cause in the log of a step that failed, in one line (setup/reason.sh). Of the lines that speak of a fault, those that
# stand together last are about it, and the first of those is the cause: what follows is what came of it.
#
# What the kit itself says goes before that, since it knows more, with the cause in the place of its "(see above)". Where
# nobody spoke of a fault, or the command was ended by a signal: "status", its status, the command, and the log's last line,
# with tabs between them. (step_failing, setup/steps.sh, notes the command.)

BEGIN { own_name = program ":" }

{ gsub(/\033\[[0-9;?]*[A-Za-z]/, "") }

# The step went on from here: what there was before has not ended it.
/^==> |^notice: / { own = cause = command = last = ""; together = 0; next }

# The last word is die's; what a function said before that is the cause.
$1 == own_name && $2 == "error:" {
    if (own != "")
        cause = own
    own = substr($0, length(own_name) + 9)
    next
}

# A command in a function or a substitution is reported again for each of these: the first report names it.
$1 == own_name && $2 == "status" {
    if (command == "") {
        command = substr($0, index($0, " of: ") + 5)
        status = $3
    }
    next
}

# dpkg: "dpkg: error processing package NAME (--configure):", and what it is on the next line.
together && cause ~ /:$/ && /^ +[^ ]/ { sub(/^ +/, " "); cause = cause $0; next }

consequence($0) { next }
{ command = ""; last = $0 }
progress($0) { together = 0; next }
fault($0) { if (!together) cause = $0; together = 1; next }
{ together = 0 }

END {
    if (own != "")
        print one_line(with_cause(own, cause))
    else if (command != "" && (cause == "" || status > 128))
        print "status\t" status "\t" one_line(command) "\t" one_line(last)
    else
        print one_line(cause == "" ? last : cause)
}

# Says that there was a fault, or belongs to the line that says which, or to none.
function consequence(line) {
    return line ~ /^[ \t]*$/ || line ~ /^(N|I|P): / ||
        line ~ /^make(\[[0-9]+\])?: (Entering|Leaving|\*\*\* \[|\*\*\* Waiting)/ ||
        line ~ /^ *[0-9]* \| |In file included from|^ +from .*[,:]$|: [Ii]n function |: note: |^compilation terminated/ ||
        line ~ /^collect2: |warnings being treated as errors|not recoverable: exiting|Exiting with failure status/ ||
        line ~ /^tar: Child (returned|died)|^E: Sub-process |^E: Unable to fetch some archives|^Errors were encountered/ ||
        line ~ /^Err:|^  [0-9][0-9][0-9]  / || # apt says it again in a line of E:
        line ~ /: line [0-9]+: +[0-9]+ [A-Z][a-z ]+ /
}

# What make prints of each file, and warnings: the names in them may look like faults.
function progress(line) {
    return line ~ /warning: |^W: / || line ~ /^ +[A-Z][A-Z0-9_]* +[^ ]+$/ ||
        line ~ /^(cc|gcc|clang|ar|ld|rm|mkdir|install) [^:]*$/
}

function fault(line) {
    if (line ~ /^[EF]: |(^|[^A-Za-z])([Ee]rror|ERROR|[Ff]atal|FATAL)( error)?:|^dpkg: error |\*\*\* (No|missing|multiple|target)/)
        return 1
    line = tolower(line)
    return line ~ /cannot|can.t |could not|couldn.t|unable to|(^|[^a-z])failed([^a-z]|$)|failure|no such |not found/ ||
        line ~ /no space left|wrote only|not permitted|denied|read-only file system|output error|out of memory|quota exceeded/ ||
        line ~ /undefined reference|multiple definition|segmentation fault|core dumped|unbound variable|syntax error/ ||
        line ~ /too many open files|timed out|refused|does not exist|not exist|corrupt|unexpected end|un?recognized|not recogni/
}

function with_cause(text, cause, at) {
    at = index(text, " (see above)")
    if (!at)
        return text
    return substr(text, 1, at - 1) (cause == "" ? "" : " (" cause ")") substr(text, at + 12)
}

function one_line(text) {
    gsub(/[\001-\037]/, " ", text)
    sub(/^ +/, "", text)
    sub(/[ .]+$/, "", text)
    return length(text) > 400 ? substr(text, 1, 397) "..." : text
}
