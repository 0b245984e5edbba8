# shellcheck shell=bash
# The command line that all scripts have in common.

# script_begin FLAGS [ARGUMENT...]: takes the command line of a script apart and loads the configuration. FLAGS are the
# long options of this script, separated by commas, those that take a value with a : after them; with a + before them,
# options end at the first other word (getopt(1)). Sets GIVEN[FLAG]=yes, or to the value, for each that is there, and
# WORDS to what is no option. With --help prints what usage() prints, and ends the program.
script_begin() {
    local flags=$1 parsed mode='' assignment
    local -a settings=() knobs=() from_stdin
    locale_neutral
    signals_catch
    [[ $flags != +* ]] || mode=+
    if ! parsed=$(getopt --name "" --options "${mode}h" --longoptions "help,set:,${flags#+}" -- "${@:2}" 2>&1); then
        parsed=${parsed%%$'\n'*}
        usage_error "${parsed#*: }"
    fi
    eval "set -- $parsed" # getopt quotes for just this
    while [[ $1 != -- ]]; do
        case $1 in
        -h) GIVEN[help]=yes ;;
        --set)
            settings+=("$2")
            shift
            ;;
        *)
            GIVEN[${1#--}]=yes
            if [[ ",${flags#+}," == *",${1#--}:,"* ]]; then
                GIVEN[${1#--}]=$2
                shift
            fi
            ;;
        esac
        shift
    done
    WORDS=("${@:2}")
    if given knobs-on-stdin; then
        mapfile -d '' -t from_stdin
        for assignment in "${from_stdin[@]}"; do
            if [[ " ${CARRIED[*]} " == *" ${assignment%%=*} "* ]]; then
                export "${assignment?}"
            else
                knobs+=("$assignment")
            fi
        done
        settings=("${knobs[@]}" "${settings[@]}")
    fi
    if given help; then
        config_read "${settings[@]}"
        usage
        exit 0
    fi
    config_load "${settings[@]}"
}

# What script_begin found on the command line: the options, and the other words.
declare -A GIVEN=()
WORDS=()

# What of the environment goes through sudo with the knobs: ways to the network, whom curl, wget and apt trust there, and
# the user's wishes.
CARRIED=(
    http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
    CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR TMPDIR NO_COLOR
)

given() {
    [[ ${GIVEN[$1]:-no} == yes ]]
}
