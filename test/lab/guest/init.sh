#!/bin/bash
# Process 1 of the guest. Mounts what a kernel needs, then runs the guest program (or systemd, which runs it as a unit) and powers off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=${TERM:-linux}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
exec </dev/null >/dev/ttyS0 2>&1
stty -F /dev/ttyS1 raw -echo
hostname lab
# Without entropy the kernel makes some from the clock before Node may start, for 1.5 s. Here it is only to be the same
# every time: ioctl RNDADDENTROPY with 4096 bits that are all alike.
perl -e 'open(my $random, ">", "/dev/urandom") or die; my $seed = pack("iia512", 4096, 512, "lab" x 171); ioctl($random, 0x40085203, $seed) or die'
mode=$(cat /lab/mode)

if [ "$mode" = systemd ]; then
    # The unit ends the machine in the same way as below; systemd's own shutdown would only cost time.
    printf '%s\n' '[Unit]' 'Description=Lab program' '[Service]' 'Type=oneshot' \
        'StandardOutput=tty' 'StandardError=tty' 'TTYPath=/dev/ttyS0' \
        'ExecStart=/bin/bash /lab/run.sh' > /etc/systemd/system/lab.service
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf /etc/systemd/system/lab.service /etc/systemd/system/multi-user.target.wants/
    ln -sf /usr/lib/systemd/system/multi-user.target /etc/systemd/system/default.target
    # Nobody logs in, and the second port carries records.
    ln -sf /dev/null /etc/systemd/system/getty.target
    ln -sf /dev/null /etc/systemd/system/systemd-udev-trigger.service
    # First-boot work (hwdb, ldconfig, catalogue) is skipped: the stamps are as old as /usr.
    touch -r /usr /etc/.updated /var/.updated
    echo 5ee00000000000000000000000000001 > /etc/machine-id
else
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /tmp
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    ip link set lo up
fi

cat > /lab/run.sh <<'RUN'
# Through a pipe: Node aborts at its end when the terminal that it printed on was hung up, as that of a shell is.
node --stack-trace-limit=30 /lab/guest.cjs 2>&1 | cat
code=${PIPESTATUS[0]}
echo "{\"end\":$code}" > /dev/ttyS1
if [ "$(cat /lab/mode)" = systemd ] && [ "$code" != 0 ]; then journalctl --no-pager -n 30; fi
# A reset ends QEMU at once: it runs with -no-reboot.
echo b > /proc/sysrq-trigger
RUN

case $mode in
    systemd) exec /lib/systemd/systemd ;;
    *) bash /lab/run.sh ;;
esac
