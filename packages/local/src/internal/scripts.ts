/*
 * The shell texts that bring a machine up. They are constant: every datum reaches them as a positional parameter or a
 * file, never by interpolation. Backslashes are the shell's, hence String.raw.
 *
 * Who runs where (docs/internals/local.md draws it): `stage` runs as the caller, root included, in a mount namespace of
 * its own; `main` runs as the machine's unprivileged user, as the root of a user namespace that maps no one else, and
 * sees the host's files; `machine` is pid 1 of the machine, in a second user namespace below that one. It executes
 * nothing after its pivot, because from there on all files are the guest's.
 */

/**
 * Gathers all that comes from the caller's files below one small tmpfs, and lays that over `/tmp`, where the machine's
 * user can reach it whatever the permissions of the directories above the originals.
 *
 * 1: mount; 2: mkdir; 3: directory to gather in; 4: names of directories in it; 5: number of single files to bind;
 * 6: fstab; then the program to go on with.
 */
export const stage = String.raw`
set -eu
umask 022
mount=$1 mkdir=$2 stage=$3 directories=$4 files=$5 table=$6
shift 6
"$mount" -t tmpfs -o mode=0755,size=1m,nosuid,nodev bottle "$stage"
cd "$stage"
"$mkdir" $directories
while [ "$files" -gt 0 ]; do
  files=$((files - 1))
  : >"f$files"
done
printf '%s\n' "$table" >fstab
"$mount" -a -T fstab
cd /
exec "$@"
`

/**
 * Makes the machine's disk, starts the machine, detaches the host from it, and hands it over: prints
 * "ready HOLDER PID", and goes on only when it reads "go"; anything else, or silence, takes all of it down again.
 * What stays is the holder: it waits for the end of pid 1 and saves the disk.
 *
 * 1: mount; 2: umount; 3: tar; 4: unshare; 5: mv; 6: options of the disk's tmpfs; 7: text of "machine"; then its parameters.
 */
export const main = String.raw`
set -eu
umask 022
mount=$1 umount=$2 tar=$3 unshare=$4 mv=$5 size=$6 machine=$7
shift 7
"$mount" -t tmpfs -o "$size,nosuid,nodev" bottle /tmp/s
cd /tmp/s
"$tar" --no-same-owner -xpf /tmp/d/base.tar
[ ! -e /tmp/d/disk.tar ] || "$tar" --no-same-owner --xattrs --xattrs-include='user.*' -xpf /tmp/d/disk.tar -C up || {
  printf '%s\n' "disk: the guest has left its disk so that the machine's own files do not fit (it has moved or replaced a directory of the system's, like /etc)" >&2
  exit 1
}
exec 8<>ctl/up
(
  trap '' PIPE HUP INT TERM
  "$unshare" --user --map-user=1000 --map-group=1000 --keep-caps --mount --propagation private --pid --fork \
    --ipc --uts --net --cgroup --kill-child -- \
    /bin/sh -c "$machine" machine "$@" 2>ctl/log 8>&- || :
  echo dead 1<>ctl/up
  [ -e ctl/go ] || exit 0
  if "$tar" --xattrs --xattrs-include='user.*' --warning=no-file-ignored --sparse -C up -cf /tmp/d/disk.tar.new . 2>/tmp/d/save.log; then
    "$mv" -f /tmp/d/disk.tar.new /tmp/d/disk.tar
    : >/tmp/d/saved
  fi
) </dev/null >/dev/null 2>/dev/null 8>&- &
holder=$!
pid=
trap 'kill -KILL "$holder" $pid 2>/dev/null' EXIT
trap '' PIPE
read -r word number <&8
if [ "$word" != up ]; then
  while IFS= read -r line; do printf '%s\n' "$line" >&2; done <ctl/log
  exit 1
fi
pid=$number
# In there umount reads the table of mounts from /proc, and only the host's shows it this process: so the host's lies
# over the machine's until now, and goes last. Nothing of the guest's has run yet.
"$umount" --namespace "$pid" --no-mtab --no-canonicalize --internal-only --lazy /dev/.old /proc
printf 'ready %s %s\n' "$holder" "$pid"
answer=
read -r answer || :
[ "$answer" = go ] || exit 1
: >ctl/go
trap - EXIT
`

/**
 * Pid 1 of the machine: mounts its root, pivots, and then blocks for ever in a builtin.
 *
 * 1: mount; 2: ip; 3: pivot_root; 4: mkdir; 5: hostname program or nothing; 6: host name; 7: "overlay" or "bare"; then
 * per mount of the caller's: kind (dir, file, remount), source, guest path, mount options.
 */
export const machine = String.raw`
set -eu
umask 022
read -r self rest </proc/self/stat
mount=$1 ip=$2 pivot=$3 mkdir=$4 hostname=$5 name=$6 kind=$7
shift 7
cd /tmp/s
refuse() {
  printf '%s\n' "$1" >&2
  exit 1
}
# A path that the guest may have shaped in an earlier run is not followed through a symbolic link.
check() {
  path=$1 left=$2
  while [ -n "$left" ]; do
    part=@{left%%/*}
    case $left in */*) left=@{left#*/} ;; *) left= ;; esac
    [ -z "$part" ] || path=$path/$part
    [ ! -L "$path" ] || refuse "disk: the machine's disk has a symbolic link at /@{path#*/}, where a mount belongs"
  done
}
if [ "$kind" = overlay ]; then
  "$mount" -t overlay -o userxattr,nosuid,nodev,lowerdir=/tmp/l,upperdir=/tmp/s/up,workdir=/tmp/s/work overlay /tmp/s/root
  base=root
else
  base=up
fi
while IFS= read -r target; do check "$base" "$target"; done <ctl/targets
"$mount" -a -T ctl/fstab
while [ "$#" -gt 0 ]; do
  what=$1 source=$2 target=$3 options=$4
  shift 4
  if [ "$what" = remount ]; then
    "$mount" -o "$options" "/tmp/s/root$target"
    continue
  fi
  check root "$target"
  if [ "$what" = dir ]; then
    [ -d "root$target" ] || "$mkdir" -p -- "root$target"
  else
    [ -d "root@{target%/*}/" ] || "$mkdir" -p -- "root@{target%/*}"
    [ ! -e "root$target" ] || [ -f "root$target" ] || refuse "disk: $target exists in the machine and is no plain file"
    [ -f "root$target" ] || : >"root$target"
  fi
  "$mount" -o "$options" -- "$source" "/tmp/s/root$target"
done
for space in user mnt pid ipc net uts cgroup time; do
  [ ! -e "root/proc/sys/user/max_@{space}_namespaces" ] || echo 0 >"root/proc/sys/user/max_@{space}_namespaces"
done
# The kernel counts these for the host's user too, who must be left some.
for limit in instances=64 watches=65536; do
  [ ! -e "root/proc/sys/user/max_inotify_@{limit%=*}" ] || echo "@{limit#*=}" >"root/proc/sys/user/max_inotify_@{limit%=*}"
done
"$mount" --rbind /proc root/proc
"$ip" link set lo up
[ -z "$hostname" ] || "$hostname" "$name"
exec 9<>ctl/wait
cd root
"$pivot" . dev/.old
cd /
exec </dev/null >/dev/null
printf 'up %s\n' "$self" 1<>/dev/.old/tmp/s/ctl/up
exec 2>/dev/null
trap '' HUP INT TERM
trap : CHLD
exec <&9 9<&-
# Nothing ever comes, but a child that has lost its parent to end here does interrupt: then the shell collects it, and
# all others, while it waits for an empty subshell of its own.
while :; do
  read -r forever || (:)
done
`.replaceAll("@{", "${")
