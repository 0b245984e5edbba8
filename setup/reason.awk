# Prints the cause of a fault, in one line, from the log of a step that failed (setup/reason.sh). It takes the last group of
# adjacent lines that report a fault. The first line of the group is the cause; the others are its consequences.
#
# A message of the kit itself has priority, since the kit knows more; the cause replaces its "(see above)". If no line reports
# a fault, or a signal ended the command, it prints "status", the status, the command, and the last line of the log, separated
# by tabs. (step_failing in setup/step_process.sh writes status and command.)

BEGIN { own_name = program ":" }

{ gsub(/\033\[[0-9;?]*[A-Za-z]/, "") }

# The step went on here, so nothing above this line ended it.
/^==> |^notice: / { own = cause = command = last = ""; together = 0; next }

# die prints the last message; a message of the kit before that is the cause.
$1 == own_name && $2 == "error:" {
    if (own != "")
        cause = own
    own = substr($0, length(own_name) + 9)
    next
}

# A command that fails in a function or a substitution is reported again by each caller. The first report names it.
$1 == own_name && $2 == "status" {
    if (command == "") {
        command = substr($0, index($0, " of: ") + 5)
        status = $3
    }
    next
}

# dpkg prints "dpkg: error processing package NAME (--configure):", and the error on the next line.
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

# Is the line no cause: a consequence of a fault, a detail of one, or noise?
function consequence(line) {
    return line ~ /^[ \t]*$/ || line ~ /^(N|I|P): / ||
        line ~ /^make(\[[0-9]+\])?: (Entering|Leaving|\*\*\* \[|\*\*\* Waiting)/ ||
        line ~ /^ *[0-9]* \| |In file included from|^ +from .*[,:]$|: [Ii]n function |: note: |^compilation terminated/ ||
        line ~ /^collect2: |warnings being treated as errors|not recoverable: exiting|Exiting with failure status/ ||
        line ~ /^tar: Child (returned|died)|^E: Sub-process |^E: Unable to fetch some archives|^Errors were encountered/ ||
        line ~ /^Err:|^  [0-9][0-9][0-9]  / || # apt repeats it in a line of E:
        line ~ /: line [0-9]+: +[0-9]+ [A-Z][a-z ]+ /
}

# Is the line a warning, or what make prints for each file? Their names may look like faults.
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
