# shellcheck shell=bash
# The command line of every script.

# script_begin FLAGS [ARGUMENT...]: parses the command line of a script and loads the configuration. FLAGS has the script's own
# long options, separated by commas. A : after an option means that it takes a value; a + before all of them means that
# options end at the first word that is none (getopt(1)). Sets GIVEN[OPTION] to yes, or to the value, for each option that was
# given, and WORDS to the other words. With --help calls usage() and ends the program.
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
    eval "set -- $parsed" # getopt quotes its output for this
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

# The options and the other words of the command line. Only script_begin sets them.
declare -A GIVEN=()
WORDS=()

# The environment variables that setup.sh passes through sudo with the knobs: proxies, certificates that curl, wget and apt
# trust, and preferences of the user.
CARRIED=(
    http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
    CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR TMPDIR NO_COLOR
)

# Was option $1 given, one without a value?
given() {
    [[ ${GIVEN[$1]:-no} == yes ]]
}
