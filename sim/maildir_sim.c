/* io/maildir.h on the simulated disk: what is answered ERR_OK is there for ever, under its unique
 * name once. */
#include "io/maildir.h"

#include "sim/check.h"
#include "sim/disk.h"

enum { FILES_MAX = 4096, NAME_BYTES = 400 };

static struct {
    char name[FILES_MAX][NAME_BYTES];
    unsigned n;
} maildir;

enum err maildir_deliver(const struct maildir_job *job, struct why *why)
{
    struct buf name;
    enum err e = disk_file_put();
    if (e != ERR_OK) {
        why_set(why, "the simulated disk says %s", err_name(e));
        return e;
    }
    buf_init(&name, NAME_BYTES - 1);
    buf_putf(&name, "%.*s/new/%.*s", SPAN_ARG(job->path), SPAN_ARG(job->unique));
    for (unsigned i = 0; i < maildir.n; i++)
        if (strcmp(maildir.name[i], buf_z(&name)) == 0) {
            buf_done(&name);
            return ERR_OK;
        }
    ASSERT(maildir.n < FILES_MAX);
    memcpy(maildir.name[maildir.n++], buf_z(&name), name.n + 1);
    check_maildir(job->path, job->unique, job->body);
    buf_done(&name);
    return ERR_OK;
}
