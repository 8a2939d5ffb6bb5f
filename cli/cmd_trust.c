/* postern trust list|has|show|verify|diff: what the trust store has (R39, R40). */
#include "cli/cert_file.h"
#include "cli/cert_text.h"

#include "base/enc.h"
#include "base/map.h"
#include "base/when.h"
#include "gate/config.h"

#include <stdio.h>
#include <unistd.h>

enum { STATE_MAX = 4 * 1024 * 1024, SHORT_DIGEST = 16, PATH_MAX_BYTES = 4096 };

/* One run of a command. */
struct run {
    const struct cli *c;
    struct arena arena;
    struct cert_chain store;
};

typedef enum cli_exit run_fn(struct run *r);

static enum cli_exit with_store(const struct cli *c, run_fn *fn)
{
    struct run r = { .c = c };
    struct why why = { "" };
    enum cli_exit code = CLI_FAILED;
    arena_init(&r.arena, CERT_ARENA_MAX);
    if (cert_file_store(c->args, &r.arena, &r.store, &why) == ERR_OK)
        code = fn(&r);
    else
        out_complain("%s", why.text);
    arena_done(&r.arena);
    return code;
}

static struct span sha256_of(const struct cert_info *c, struct arena *a)
{
    struct buf text;
    buf_init(&text, (size_t)2 * CERT_SHA256);
    cert_hex(c->sha256, CERT_SHA256, &text);
    struct span s = arena_span(a, buf_span(&text));
    buf_done(&text);
    return s;
}

/* --- what is shown of several --- */

typedef bool select_fn(const struct run *r, const struct cert_info *c);

static enum cli_exit show_list_json(struct run *r, select_fn *select, enum cli_exit none)
{
    struct ctl *out = ctl_new();
    ctl_array(out, "anchors");
    for (unsigned i = 0; i < r->store.n; i++)
        if (select(r, &r->store.item[i]))
            cert_json(&r->store.item[i], r->c->now_ms, ctl_add(out, "anchors"));
    enum cli_exit code = ctl_count(out, "anchors") > 0 ? CLI_OK : none;
    ctl_set_bool(out, "ok", code == CLI_OK);
    code = cli_json(out, code);
    ctl_free(out);
    return code;
}

static void add_row(struct table *t, const struct run *r, const struct cert_info *c)
{
    char date[DATE_TEXT_MAX], left[OUT_TEXT_MAX];
    table_add(t, span_head(sha256_of(c, &t->arena), SHORT_DIGEST));
    table_add(t, span_z(date_text(c->until_ms, date)));
    table_add(t, span_z(ends_text(c->until_ms, r->c->now_ms, left)));
    table_add(t, c->key);
    table_add(t, c->subject.n > 0 ? c->subject : SPAN("(no name)"));
}

static enum cli_exit show_list(struct run *r, select_fn *select, enum cli_exit none)
{
    static const char *const head[] = { "SHA-256", "UNTIL", "ENDS", "KEY", "SUBJECT" };
    struct table t;
    struct buf text;
    unsigned n = 0;
    if (r->c->args->json)
        return show_list_json(r, select, none);
    buf_init(&text, OUT_BYTES_MAX);
    table_init(&t, head, COUNTOF(head));
    for (unsigned i = 0; i < r->store.n; i++) {
        if (!select(r, &r->store.item[i]))
            continue;
        add_row(&t, r, &r->store.item[i]);
        n++;
    }
    table_print(&t, "", &text);
    buf_putf(&text, "%u of %u\n", n, r->store.n);
    enum cli_exit code = cli_print(&text, n > 0 ? CLI_OK : none);
    table_done(&t);
    buf_done(&text);
    return code;
}

/* --- the state that is kept: a line for each anchor --- */

static void put_state(struct run *r, struct buf *out)
{
    char date[DATE_TEXT_MAX];
    for (unsigned i = 0; i < r->store.n; i++) {
        const struct cert_info *c = &r->store.item[i];
        buf_put(out, sha256_of(c, &r->arena));
        buf_putf(out, " %s ", date_text(c->until_ms, date));
        buf_put(out, c->subject); /* clean: one line */
        buf_put(out, SPAN("\n"));
    }
}

/* Beside it and then in its place: who reads it sees the old state or the new one. */
static bool write_whole(struct span path, struct span text)
{
    char name[PATH_MAX_BYTES], fresh[PATH_MAX_BYTES + 8];
    if (path.n >= sizeof name)
        return false;
    (void)snprintf(name, sizeof name, "%.*s", SPAN_ARG(path));
    (void)snprintf(fresh, sizeof fresh, "%s.new", name);
    (void)unlink(fresh);
    FILE *f = fopen(fresh, "wxe");
    if (!f)
        return false;
    bool well = fwrite(text.p, 1, text.n, f) == text.n;
    well = fflush(f) == 0 && fsync(fileno(f)) == 0 && well;
    well = fclose(f) == 0 && well;
    return well && rename(fresh, name) == 0;
}

static bool save(struct run *r)
{
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    put_state(r, &text);
    bool well = write_whole(r->c->args->save, buf_span(&text));
    if (!well)
        out_complain("%.*s cannot be written", SPAN_ARG(r->c->args->save));
    buf_done(&text);
    return well;
}

/* --- list --- */

static bool is_expiring(const struct run *r, const struct cert_info *c)
{
    int64_t within;
    if (r->c->args->expiring.n == 0)
        return true;
    return when_duration(r->c->args->expiring, &within) == ERR_OK &&
           c->until_ms - r->c->now_ms <= within;
}

static enum cli_exit run_list(struct run *r)
{
    if (r->c->args->save.n > 0 && !save(r))
        return CLI_FAILED;
    return show_list(r, is_expiring, CLI_OK);
}

enum cli_exit cmd_trust_list(const struct cli *c)
{
    int64_t within;
    if (c->args->n_word > 0)
        return cli_usage("trust list takes no words");
    if (c->args->expiring.n > 0 && when_duration(c->args->expiring, &within) != ERR_OK)
        return cli_usage("--expiring wants a time such as 90d");
    return with_store(c, run_list);
}

/* --- has --- */

static bool is_asked(const struct run *r, const struct cert_info *c)
{
    const struct args *a = r->c->args;
    bool named = a->name.n == 0 || span_eq_nocase(a->name, c->cn) || span_eq(a->name, c->subject);
    return named && (a->sha256.n == 0 || cert_is_sha256(c, a->sha256));
}

static enum cli_exit run_has(struct run *r)
{
    return show_list(r, is_asked, CLI_FAILED);
}

enum cli_exit cmd_trust_has(const struct cli *c)
{
    if (c->args->n_word > 0)
        return cli_usage("trust has takes no words: --name NAME, --sha256 HEX, or both");
    if (c->args->name.n == 0 && c->args->sha256.n == 0)
        return cli_usage("trust has wants --name NAME, --sha256 HEX, or both");
    return with_store(c, run_has);
}

/* --- show --- */

static bool is_selected(const struct run *r, const struct cert_info *c)
{
    struct span word = r->c->args->word[0];
    return span_eq_nocase(word, c->cn) || span_eq(word, c->subject) || cert_has_digest(c, word);
}

static enum cli_exit run_show(struct run *r)
{
    struct buf text;
    const struct cert_info *found = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < r->store.n; i++) {
        if (!is_selected(r, &r->store.item[i]))
            continue;
        found = &r->store.item[i];
        n++;
    }
    if (n != 1) {
        out_complain(n == 0 ? "there is no such anchor"
                            : "several anchors fit; give more digits of "
                              "the SHA-256");
        return n == 0 ? CLI_FAILED : (show_list(r, is_selected, CLI_FAILED), CLI_FAILED);
    }
    if (r->c->args->json)
        return show_list_json(r, is_selected, CLI_FAILED);
    buf_init(&text, OUT_BYTES_MAX);
    out_clean(cert_title(found), &text);
    buf_put(&text, SPAN("\n"));
    cert_text(found, r->c->now_ms, &text);
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

enum cli_exit cmd_trust_show(const struct cli *c)
{
    if (c->args->n_word != 1)
        return cli_usage("trust show wants one name, or the beginning of a SHA-256");
    return with_store(c, run_show);
}

/* --- verify --- */

static void put_path(const struct cert_chain *c, const struct cert_info *anchor, int64_t now_ms,
                     struct buf *out)
{
    char left[OUT_TEXT_MAX];
    for (unsigned i = 0; i < c->n; i++) {
        buf_putf(out, "%u ", i + 1);
        out_clean(cert_title(&c->item[i]), out);
        buf_putf(out, ", %s, issued by ", ends_text(c->item[i].until_ms, now_ms, left));
        out_clean(c->item[i].issuer_cn.n > 0 ? c->item[i].issuer_cn : c->item[i].issuer, out);
        buf_put(out, SPAN("\n"));
    }
    if (!anchor)
        return;
    buf_put(out, SPAN("anchor "));
    out_clean(cert_title(anchor), out);
    buf_putf(out, ", %s\n", ends_text(anchor->until_ms, now_ms, left));
}

static enum cli_exit show_verdict(struct run *r, const struct cert_chain *chain)
{
    struct cert_verdict v;
    struct buf text;
    cert_judge(chain, &r->store, r->c->now_ms, &r->arena, &v);
    enum cli_exit code = v.trust == CERT_TRUSTED ? CLI_OK : CLI_FAILED;
    if (r->c->args->json) {
        struct ctl *out = ctl_new();
        ctl_set_bool(out, "ok", code == CLI_OK);
        verdict_json(&v, r->c->now_ms, out);
        for (unsigned i = 0; i < chain->n; i++)
            cert_json(&chain->item[i], r->c->now_ms, ctl_add(out, "chain"));
        code = cli_json(out, code);
        ctl_free(out);
        return code;
    }
    buf_init(&text, OUT_BYTES_MAX);
    put_path(chain, v.anchor, r->c->now_ms, &text);
    verdict_text(chain, &v, r->c->now_ms, &text);
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

static enum cli_exit run_verify(struct run *r)
{
    const struct args *a = r->c->args;
    struct cert_chain chain;
    struct why why = { "" };
    enum err e = cert_file_chain(a, a->word[0], &r->arena, &chain, &why);
    if (e == ERR_OK)
        return show_verdict(r, &chain);
    out_complain("%s", why.text);
    return CLI_FAILED;
}

enum cli_exit cmd_trust_verify(const struct cli *c)
{
    if (c->args->n_word + (c->args->host.n > 0) != 1)
        return cli_usage("trust verify wants one file with a chain, or --host HOST[:PORT]");
    return with_store(c, run_verify);
}

/* --- diff --- */

/* The line of the kept state that is about this anchor; empty: none. */
static struct span line_of(struct span state, struct span sha256)
{
    while (state.n > 0) {
        struct span line = span_cut(&state, '\n');
        if (line.n > sha256.n && span_starts(line, sha256))
            return line;
    }
    return SPAN_NONE;
}

struct difference {
    struct ctl *json;
    struct buf *text;
    unsigned n;
};

static void differs(struct difference *d, const char *what, struct span line)
{
    struct ctl *to = ctl_add(d->json, "differences");
    ctl_set(to, "what", span_z(what));
    ctl_set(to, "anchor", line);
    buf_putf(d->text, "%-8s ", what);
    out_clean(line, d->text);
    buf_put(d->text, SPAN("\n"));
    d->n++;
}

static void compare(struct run *r, struct span was, struct difference *d)
{
    struct buf now;
    buf_init(&now, OUT_BYTES_MAX);
    put_state(r, &now);
    struct span left = was;
    while (left.n > 0) {
        struct span line = span_cut(&left, '\n'), key = line;
        key = span_cut(&key, ' ');
        if (key.n > 0 && line_of(buf_span(&now), key).n == 0)
            differs(d, "removed", line);
    }
    left = buf_span(&now);
    while (left.n > 0) {
        struct span line = span_cut(&left, '\n'), key = line;
        if (line_of(was, span_cut(&key, ' ')).n == 0)
            differs(d, "added", line);
    }
    buf_done(&now);
}

/* A line is a SHA-256, a blank, and more. */
static bool is_state(struct span text)
{
    struct buf bytes;
    bool well = text.n > 0;
    while (text.n > 0 && well) {
        struct span line = span_cut(&text, '\n');
        buf_init(&bytes, CERT_SHA256);
        well = dec_hex(span_cut(&line, ' '), &bytes) == ERR_OK && bytes.n == CERT_SHA256;
        buf_done(&bytes);
    }
    return well;
}

static enum cli_exit show_diff(struct run *r, struct span was)
{
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    struct difference d = { ctl_new(), &text, 0 };
    ctl_array(d.json, "differences");
    compare(r, was, &d);
    ctl_set_bool(d.json, "ok", d.n == 0);
    buf_putf(&text, "%u differences\n", d.n);
    enum cli_exit code = d.n == 0 ? CLI_OK : CLI_FAILED;
    code = r->c->args->json ? cli_json(d.json, code) : cli_print(&text, code);
    ctl_free(d.json);
    buf_done(&text);
    return code;
}

static enum cli_exit run_diff(struct run *r)
{
    struct config_source disk = config_source_disk(NULL);
    struct span path = r->c->args->word[0];
    struct why why = { "" };
    struct buf was;
    enum cli_exit code = CLI_USAGE;
    buf_init(&was, STATE_MAX);
    if (disk.read(disk.arg, path, &was, &why) != ERR_OK)
        out_complain("%s", why.text);
    else if (!is_state(buf_span(&was)))
        out_complain("%.*s is no state of a trust store: `trust list --save` writes one",
                     SPAN_ARG(path));
    else
        code = show_diff(r, buf_span(&was));
    buf_done(&was);
    return code;
}

enum cli_exit cmd_trust_diff(const struct cli *c)
{
    if (c->args->n_word != 1)
        return cli_usage("trust diff wants the file that `trust list --save` wrote");
    return with_store(c, run_diff);
}
