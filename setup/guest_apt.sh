# shellcheck shell=bash
# apt in the guests: a mirror and proxies that a guest reaches, and the key that checks the mirror.

# The guest's address of the host's loopback (qemu(1), -netdev user, host=).
GUEST_HOST=10.0.2.2

# guest_apt TREE: configures apt in the guest's tree for the mirror that the tree is from.
guest_apt() {
    local root=$1 mirror url keyring
    step_says 'Configuring apt'
    mirror=$(jq -r .mirror "$VM_DIR/bootstrap.json")
    url=$(guest_url "$mirror")
    keyring=$(guest_keyring "$root")
    mkdir -p -- "$root/etc/apt/apt.conf.d"
    debian_source "$url" "$keyring" >"$root/etc/apt/sources.list"
    {
        echo 'Acquire::Languages "none"; // the long descriptions are 32 MB'
        guest_proxies "$mirror" "$url"
    } >"$root/etc/apt/apt.conf.d/90lab"
    guest_hosts "$mirror" "${http_proxy:-}" "${https_proxy:-}" >>"$root/etc/hosts"
    # apt names its lists after the mirror, so those from another URL are dead weight: 50 MB.
    [[ $url == "$mirror" ]] || find "$root/var/lib/apt/lists" -type f -delete
    if url_has_login "$mirror"; then
        step_notice "the URL of the mirror has a login, which is not copied into the guests: apt there needs it in /etc/apt/auth.conf"
    fi
    guest_certificates "$root" "$mirror"
}

# --- URLs

# url_host URL: prints the host in it, without login and port.
url_host() {
    local authority=${1#*://}
    authority=${authority%%/*} authority=${authority##*@}
    [[ $authority == *']' ]] || authority=${authority%:*}
    printf '%s' "$authority"
}

url_has_login() {
    local authority=${1#*://}
    [[ ${authority%%/*} == *@* ]]
}

# guest_url URL: prints the URL by which a guest reaches what the host calls URL. It has no login.
guest_url() {
    local scheme=${1%%://*} host rest=${1#*://}
    host=$(url_host "$1")
    [[ ${rest%%/*} != *@* ]] || rest=${rest#*@}
    rest=${rest#"$host"}
    ! host_is_loopback "$host" || host=$GUEST_HOST
    printf '%s://%s%s' "$scheme" "$host" "$rest"
}

# host_is_loopback HOST: does this name or address lead to this host's own loopback, and nowhere else?
host_is_loopback() {
    local host=${1#[} addresses
    addresses=$(getent ahosts "${host%]}" | cut -d ' ' -f 1) || return 1
    ! grep -qvE '^(127\.|::1$|::ffff:127\.|0\.0\.0\.0$|::$)' <<<"$addresses"
}

# --- The parts of the configuration

# guest_keyring TREE: prints the keyring with which the guest checks the suite: the guest's own, or else a copy of the host's.
guest_keyring() {
    local own=/usr/share/keyrings/debian-archive-keyring.gpg copy=/usr/share/keyrings/lab-debian.gpg from release
    release=$(find "$1/var/lib/apt/lists" -name '*_InRelease' -print -quit)
    if [[ -n $release ]] && release_signed "$release" --keyring "$1$own"; then
        printf '%s' "$own"
        return
    fi
    from=$(jq -r .keyring "$VM_DIR/bootstrap.json")
    install -D -m 644 -- "$from" "$1$copy"
    printf '%s' "$copy"
}

# guest_proxies MIRROR URL: prints the guest's configuration of proxies: those through which the host fetches. MIRROR is the mirror's
# URL on the host, URL that in the guest. Without a proxy for https, apt would take the one for http, and debootstrap does not.
guest_proxies() {
    local scheme variable proxy host
    for scheme in http https; do
        variable=${scheme}_proxy proxy=${!variable:-}
        if url_has_login "$proxy"; then
            step_notice "the proxy for $scheme has a login, which is not copied into the guests:" \
                "apt there needs it as Acquire::$scheme::Proxy in /etc/apt/apt.conf.d"
        elif [[ -n $proxy ]]; then
            printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "$(guest_url "$proxy")"
        elif [[ $scheme == https && -n ${http_proxy:-} ]]; then
            echo 'Acquire::https::Proxy "DIRECT";'
        fi
    done
    host=$(url_host "$1") scheme=${2%%://*} variable=${2%%://*}_proxy
    if [[ -n ${!variable:-} ]] && { proxy_excepts "$host" || host_is_loopback "$host"; }; then
        printf 'Acquire::%s::Proxy::%s "DIRECT";\n' "$scheme" "$(url_host "$2")"
    fi
}

# guest_hosts URL...: prints lines for the guest's /etc/hosts: the hosts in these URLs that the host itself knows only from its own
# file. QEMU's name server asks those of the host.
guest_hosts() {
    local url host address
    for url; do
        host=$(url_host "$url")
        if [[ -n $host ]] && ! host_is_loopback "$host"; then
            address=$(getent -s files hosts "$host") || continue
            printf '%s\t%s\n' "${address%% *}" "$host"
        fi
    done
}

# guest_certificates TREE MIRROR: lets the guest trust the certificates that were added on the host, if the mirror is https.
guest_certificates() {
    [[ $2 == https:* && -n $(find "$HOST_CERTIFICATES" -name '*.crt' -print -quit 2>/dev/null) ]] || return 0
    mkdir -p -- "$1$HOST_CERTIFICATES"
    cp -rL -- "$HOST_CERTIFICATES/." "$1$HOST_CERTIFICATES"
    env -u TMPDIR chroot "$1" update-ca-certificates
}
HOST_CERTIFICATES=/usr/local/share/ca-certificates
