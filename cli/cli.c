#include "cli/cli.h"

#include "base/enc.h"
#include "gate/config.h"
#include "gate/config_read.h"
#include "store/store.h"

enum { TREE_ARENA_MAX = 64 * 1024 * 1024, COMPLAINT_MAX = 2048 };

static const char default_config[] = "/etc/postern/postern.conf";
static const char default_run[] = "/run/postern";

struct span cli_config(const struct cli *c)
{
    return c->args->config.n > 0 ? c->args->config : span_z(default_config);
}

enum err cli_load(struct span file, struct config **ret, struct why *why)
{
    struct config_source disk = config_source_disk(NULL);
    struct config_boot boot = { 0 };
    return config_load(file, &disk, &boot, ret, why);
}

bool cli_wants_file(const struct cli *c)
{
    return c->args->config.n > 0 && c->args->run.n == 0;
}

static char *copy_z(struct span s)
{
    char *z = mem_alloc(s.n + 1);
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

/* `run` at the top of the file. Nothing else of it is looked at: a configuration that is being
 * written must not keep an operator from the daemon. */
static char *run_of_tree(struct span file, struct span text, struct arena *a)
{
    struct tree *t = NULL;
    if (tree_parse(file, text, a, &t, NULL) != ERR_OK)
        return NULL;
    for (; t; t = t->next)
        if (span_eq(t->name, SPAN("run")) && t->values)
            return copy_z(path_beside(a, file, t->values->text));
    return NULL;
}

char *cli_run(const struct cli *c)
{
    if (c->args->run.n > 0)
        return copy_z(c->args->run);
    struct config_source source = config_source_disk(NULL);
    struct buf text;
    struct arena a;
    char *run = NULL;
    buf_init(&text, CONFIG_FILE_MAX);
    arena_init(&a, TREE_ARENA_MAX);
    if (source.read(source.arg, cli_config(c), &text, NULL) == ERR_OK)
        run = run_of_tree(cli_config(c), buf_span(&text), &a);
    if (text.p)
        explicit_bzero(text.p, text.cap);
    buf_done(&text);
    arena_done(&a);
    return run ? run : copy_z(span_z(default_run));
}

enum cli_exit cli_usage(const char *fmt, ...)
{
    struct buf text;
    va_list ap;
    buf_init(&text, COMPLAINT_MAX);
    va_start(ap, fmt);
    enum err e = buf_addv(&text, fmt, ap);
    va_end(ap);
    out_complain("%s", e == ERR_OK ? buf_z(&text) : fmt);
    buf_done(&text);
    return CLI_USAGE;
}

enum cli_exit cli_open(const struct cli *c, struct ask *a)
{
    struct why why;
    char *run = cli_run(c);
    enum err e = ask_open(a, run, &why);
    mem_free(run);
    if (e == ERR_OK)
        return CLI_OK;
    out_complain("%s", why.text);
    return e == ERR_REFUSED ? CLI_FAILED : CLI_UNREACHABLE;
}

enum cli_exit cli_ask_failed(enum err e, const struct why *why)
{
    out_progress(NULL, 0);
    out_complain("%s", why->text);
    if (e == ERR_SYNTAX)
        return CLI_USAGE;
    return e == ERR_IO || e == ERR_TIMEOUT ? CLI_UNREACHABLE : CLI_FAILED;
}

enum cli_exit cli_missing(const struct ask *a, enum cli_exit well)
{
    for (unsigned i = 0; i < a->n_missing; i++) {
        if (a->missing[i] >= a->n_configured)
            continue; /* a socket of earlier, when there were more */
        out_complain("worker %u does not answer: what it has is missing here", a->missing[i]);
        well = CLI_FAILED;
    }
    return well;
}

enum cli_exit cli_print(const struct buf *text, enum cli_exit well)
{
    return out_write(buf_span(text)) == ERR_OK ? well : CLI_FAILED;
}

enum cli_exit cli_json(const struct ctl *c, enum cli_exit well)
{
    return out_json(c) == ERR_OK ? well : CLI_FAILED;
}

bool cli_id(struct span text, int64_t *ret_shard)
{
    uint64_t id;
    if (id_parse(text, &id) != ERR_OK || id == 0)
        return false;
    *ret_shard = store_id_shard(id);
    return true;
}
