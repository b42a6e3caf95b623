# The examples of qubes-qos-trees(8), typed into the lab. To record them again:
#   scripts/lab exec dom0 nsenter --target 1 --mount --net bash -c "$(cat test/bundle/trees-session.sh)" \
#     > test/bundle/snapshots/agents/qubes-qos-trees.txt
# shellcheck shell=bash

# type_in PROMPT COMMAND...: what a person in that qube would type and see.
type_in() {
    local prompt=$1 qube=${1#*@} code
    shift
    printf '\n%s %s\n' "$prompt" "$*"
    lab exec "${qube%[#$]}" "$@" 2>&1
    code=$?
    [ "$code" = 0 ] || echo "[exit $code]"
}

settings() {
    printf '%b' "$1" | lab exec sys-net tee /rw/config/qubes-qos/tc.toml > /dev/null
}

echo 'Examples of qubes-qos-trees, recorded in the lab by trees-session.sh'
lab exec sys-net mkdir -p /rw/config/qubes-qos
tree='[line]\nup = "20mbit"\nscheduler = "tree"\n\n[values]\nTENTH = "0.1*rate/8"\n\n[tree.home]\ndefault = "rest"\n\n[tree.home.class.calls]\nrate = { percent = 20, max = "2mbit" }\nceil = "50%"\nprio = 0\nmatch = ["ef", "cs5"]\nleaf = { kind = "cake", diffserv = "besteffort", rtt = "30ms" }\n\n[tree.home.class.rest]\nrate = "60%"\nceil = "100%"\nburst = "TENTH"\nprio = 1\n\n[tree.home.class.backup]\nrate = "5%"\nceil = "90%"\nprio = 2\nmatch = ["cs1", "mark 0x10/0xff"]\nleaf = { kind = "sfq", perturb = 10 }\n'
lab exec dom0 qvm-qos uplink sys-net --up 20mbit > /dev/null
settings "$tree"
type_in root@sys-net# qubes-qos-tc apply
type_in root@sys-net# qubes-qos-tc print
lab exec work ping -q -Q 0xb8 -c 20 -i 0.2 203.0.113.10 > /dev/null
type_in root@sys-net# qubes-qos-tc status
settings "${tree/60%/160%}"
type_in root@sys-net# qubes-qos-tc check
type_in root@sys-net# qubes-qos-tc cleanup
