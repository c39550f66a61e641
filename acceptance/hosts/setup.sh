# The first process of a host, in namespaces of its own: makes the file system,
# says so, and then collects children until it is killed.
#
#   bash -c setup.sh NAME SETDIR HOSTDIR [directory to see ...]
#
# /mnt holds what is mounted elsewhere, since a mount can hide its own source.
set -euo pipefail
name=$0 set=$1 own=$2
shift 2

mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/set /mnt/own /mnt/seen
mount --bind "$set" /mnt/set
mount --bind "$own" /mnt/own
n=0
for dir; do
  n=$((n + 1))
  mkdir "/mnt/seen/$n"
  mount --bind "$dir" "/mnt/seen/$n"
done

# What is changed in these stays in memory.
for top in etc var home root opt; do
  mkdir -p "/mnt/changed/$top/upper" "/mnt/changed/$top/work"
  mount -t overlay overlay -o "lowerdir=/$top,upperdir=/mnt/changed/$top/upper,workdir=/mnt/changed/$top/work" "/$top"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p -m 1777 /run/lock
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /etc/rackswarm /var/lib/rackswarm

# What may grow is on the disk.
mount --bind /mnt/own/srv /srv
mount --bind /mnt/own/tmp /tmp
mount --bind /mnt/own/state /var/lib/rackswarm
mount --bind /mnt/set/bin /usr/local/bin
mkdir -p "$set"
mount --bind /mnt/set "$set"
n=0
for dir; do
  n=$((n + 1))
  mkdir -p "$dir"
  mount --bind "/mnt/seen/$n" "$dir"
done

hostname "$name"
cp /mnt/set/hosts /etc/hosts
ip link set lo up
echo ready
# The shell reaps orphans while it waits.
sleep infinity &
wait $!
