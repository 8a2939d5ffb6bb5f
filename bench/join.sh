#!/bin/sh
# join.sh CGROUP COMMAND...: becomes the command, inside the control group.
echo $$ >"$1/cgroup.procs" || exit 1
shift
exec "$@"
