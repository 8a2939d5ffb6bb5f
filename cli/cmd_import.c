/* postern import exchange, import postfix: what other programs are configured with, as ours. */
#include "cli/cli.h"

#include "cli/import_exchange.h"
#include "cli/import_postfix.h"
#include "gate/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MODE = 0644, ORG_BYTES_MAX = 64 };

/* --- out --- */

static enum err write_all(int fd, struct span s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        s = span_tail(s, (size_t)n);
    }
    return fsync(fd) == 0 || errno == EINVAL ? ERR_OK : ERR_IO;
}

/* A file that is there is somebody's configuration: it is never written over. */
static enum err write_file(const char *path, struct span s)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == EEXIST) {
        out_complain("%s is there already: remove it, or name another file", path);
        return ERR_EXISTS;
    }
    enum err e = fd < 0 ? ERR_IO : write_all(fd, s);
    if (e != ERR_OK)
        out_complain("%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 && e != ERR_OK)
        (void)unlink(path);
    return e;
}

static struct ctl *as_json(const struct draft *d, struct span config)
{
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", draft_losses(d) == 0);
    ctl_set(out, "configuration", config);
    ctl_array(out, "notes");
    for (const struct draft_note *n = d->note; n; n = n->next) {
        struct ctl *note = ctl_add(out, "notes");
        ctl_set(note, "weight", span_z(note_weight_name(n->weight)));
        ctl_set(note, "text", n->text);
        if (!n->on)
            continue;
        ctl_set(note, "direction", n->on->outbound ? SPAN("outbound") : SPAN("inbound"));
        ctl_set(note, "connector", n->on->name);
        ctl_set(note, "title", n->on->title);
    }
    return out;
}

static enum cli_exit give(const struct cli *c, const struct draft *d, enum cli_exit well)
{
    struct buf config, notes;
    enum cli_exit code;
    buf_init(&config, DRAFT_TEXT_MAX);
    buf_init(&notes, DRAFT_TEXT_MAX);
    draft_print(d, &config);
    draft_print_notes(d, "", &notes);
    (void)fprintf(stderr, "%s", buf_z(&notes));
    if (config.n > CONFIG_FILE_MAX)
        out_complain(
            "the text is over %d MiB, which no file of a configuration may be: import it in "
            "parts",
            CONFIG_FILE_MAX >> 20);
    if (c->args->output.n > 0)
        code = write_file(c->args->output.p, buf_span(&config)) == ERR_OK ? well : CLI_USAGE;
    else if (c->args->json)
        code = CLI_OK;
    else
        code = out_write(buf_span(&config)) == ERR_OK ? well : CLI_USAGE;
    if (c->args->json && (code == CLI_OK || code == well)) {
        struct ctl *json = as_json(d, buf_span(&config));
        code = out_json(json) == ERR_OK ? well : CLI_USAGE;
        ctl_free(json);
    }
    buf_done(&config);
    buf_done(&notes);
    return code;
}

/* --- in --- */

static bool is_atom(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return s.n > 0 && s.n <= ORG_BYTES_MAX;
}

/* The draft begins; false: a wrong use. */
static bool start(const struct cli *c, const char *source, struct draft *d)
{
    struct span org = c->args->organisation.p ? c->args->organisation : SPAN("imported");
    if (!is_atom(org)) {
        (void)cli_usage("--organisation wants letters, digits, - and _, %d at most", ORG_BYTES_MAX);
        return false;
    }
    draft_init(d, source, org);
    return true;
}

static enum cli_exit finish(const struct cli *c, struct draft *d, enum err e, const struct why *why)
{
    enum cli_exit code = CLI_CONFIG;
    if (e == ERR_OK) {
        draft_finish(d);
        code = give(c, d, draft_losses(d) > 0 ? CLI_FAILED : CLI_OK);
    } else {
        out_complain("%s", why->text);
    }
    draft_done(d);
    return code;
}

static enum err read_exchange(struct draft *d, struct span file, struct why *why)
{
    const struct config_source disk = config_source_disk(NULL);
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = disk.read(disk.arg, file, &text, why);
    if (e == ERR_OK)
        e = import_exchange(d, file, buf_span(&text), why);
    buf_done(&text);
    return e;
}

enum cli_exit cmd_import_exchange(const struct cli *c)
{
    struct draft d;
    struct why why = { "" };
    enum err e = ERR_OK;
    if (c->args->n_word == 0)
        return cli_usage("import exchange wants files: exports of Get-InboundConnector and "
                         "Get-OutboundConnector");
    if (!start(c, "Exchange", &d))
        return CLI_USAGE;
    for (unsigned i = 0; i < c->args->n_word && e == ERR_OK; i++)
        e = read_exchange(&d, c->args->word[i], &why);
    import_exchange_end(&d);
    return finish(c, &d, e, &why);
}

enum cli_exit cmd_import_postfix(const struct cli *c)
{
    const struct config_source disk = config_source_disk(NULL);
    struct draft d;
    struct why why = { "" };
    if (c->args->n_word != 1)
        return cli_usage("import postfix wants one folder: that of main.cf, with its tables");
    if (!start(c, "Postfix", &d))
        return CLI_USAGE;
    enum err e = import_postfix(&d, c->args->word[0], &disk, &why);
    return finish(c, &d, e, &why);
}
