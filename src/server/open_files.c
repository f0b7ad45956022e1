/* open_files.c - happy path: the limit is far above what is wanted, and nothing changes. Failure: a
 * limit that has not even room for what is kept is shared in halves. */
#include "server/open_files.h"

#include <sys/resource.h>

int64_t open_files_raise(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return INT64_MAX;
    if (files.rlim_cur < files.rlim_max) {
        struct rlimit raised = {files.rlim_max, files.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            files = raised;
    }
    return files.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)files.rlim_cur;
}

static int64_t kept(unsigned workers)
{
    return OPEN_FILES_KEPT + OPEN_FILES_PER_WORKER * (int64_t)workers;
}

int64_t open_files_connections(int64_t files, unsigned workers, int64_t wanted)
{
    int64_t room = files > 2 * kept(workers) ? files - kept(workers) : files / 2;
    if (room < 1)
        room = 1;
    return wanted < room ? wanted : room;
}

int64_t open_files_needed(int64_t connections, unsigned workers)
{
    return connections > kept(workers) ? connections + kept(workers) : 2 * connections;
}
