# Becomes systemd, in namespaces of its own that systemd_box.py has made with unshare: it lays a throw-away
# root over the machine's own and executes its service manager there. With `probe` it ends before that.
#
# $1 a directory for mounts   $2 directories whose files are laid over the machine's, with ":" between
# $3 boot or probe
# $4 a directory to be seen as /opt/python inside, or nothing
set -eu
place=$1 layers=$2 what=$3 python=${4:-}
ram=$place/ram
root=$ram/root

# Nothing that is mounted here is seen outside; all that is written goes to memory.
mount --make-rprivate /
mkdir -p "$ram"
mount -t tmpfs -o mode=755 tmpfs "$ram"
mkdir "$ram/upper" "$ram/work" "$root"
# Copied, not stacked: an overlay refuses layers of which one is inside the other.
IFS=:
for layer in $layers; do cp -a "$layer/." "$ram/upper/"; done
unset IFS
mount -t overlay overlay -o "lowerdir=/,upperdir=$ram/upper,workdir=$ram/work" "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"      # the kernel's switches belong to the machine
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# The machine's own units, sockets and temporary files are not there.
for hidden in /run /etc/systemd/system; do
    mkdir -p "$root$hidden"
    mount -t tmpfs -o mode=755 tmpfs "$root$hidden"
done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
if [ -n "$python" ]; then
    mkdir -p "$root/opt/python"
    mount --bind "$python" "$root/opt/python"
    # An interpreter may look for its library where it was built; a service does not see that place.
    echo /opt/python/lib > "$root/etc/ld.so.conf.d/00-opt-python.conf"
    chroot "$root" /sbin/ldconfig
fi

mkdir "$root/.outside"
cd "$root"
pivot_root . .outside
if [ "$what" = probe ]; then exit 0; fi
umount --lazy /.outside
rmdir /.outside
# systemd leaves that to a container's manager, and without it credentials are empty.
mount --make-rshared /
exec env -i container=tqd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system:/box/units \
    /lib/systemd/systemd --system --unit=box.target --log-target=journal-or-kmsg --show-status=0
