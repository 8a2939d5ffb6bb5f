/* postern cert partners: the certificates of others as the trace saw them last, and whether the
 * trust store has the roots that they need (P28). */
#include "cli/cert_file.h"
#include "cli/cert_text.h"

#include "base/map.h"
#include "base/when.h"

enum { LIMIT = 1000, SHORT_DIGEST = 16, HEX_MAX = 2 * CERT_SHA256 };

/* A certificate that one host or client showed, and when last. The line is the trace's. */
struct seen {
    const struct ctl *line;
    int64_t time_ms;
    struct seen *next;
};

/* One run of the command. */
struct run {
    const struct cli *c;
    struct arena arena;
    struct cert_chain store;
    struct map by_key; /* who and which key -> struct seen */
    struct seen *first, **end;
    bool lacking; /* a server's chain led to no anchor */
};

static bool is_yes(const struct ctl *line, const char *key)
{
    return span_eq(ctl_get(line, key), SPAN("yes"));
}

static bool is_inbound(const struct ctl *line)
{
    return span_eq(ctl_get(line, "event"), SPAN("accepted"));
}

static struct span who(const struct ctl *line)
{
    return ctl_get(line, is_inbound(line) ? "client" : "host");
}

/* --- gathering --- */

static void add(struct run *r, const struct ctl *line)
{
    struct buf key;
    int64_t time_ms = ctl_get_num(line, "time");
    if (!is_yes(line, "cert") || who(line).n == 0)
        return;
    buf_init(&key, who(line).n + ctl_get(line, "spki").n + 2);
    buf_put(&key, is_inbound(line) ? SPAN("<") : SPAN(">"));
    buf_put(&key, who(line));
    buf_put(&key, SPAN(" "));
    buf_put(&key, ctl_get(line, "spki"));
    struct seen *s = map_get(&r->by_key, buf_span(&key));
    if (!s) {
        s = ARENA_NEW(&r->arena, struct seen);
        (void)map_put(&r->by_key, buf_span(&key), s);
        *r->end = s;
        r->end = &s->next;
    }
    if (!s->line || time_ms >= s->time_ms)
        *s = (struct seen){ line, time_ms, s->next };
    buf_done(&key);
}

static void gather(struct run *r, const struct ctl *found)
{
    for (size_t i = 0; i < ctl_count(found, "messages"); i++) {
        const struct ctl *m = ctl_at(found, "messages", i);
        for (size_t k = 0; k < ctl_count(m, "lines"); k++)
            add(r, ctl_at(m, "lines", k));
    }
    for (const struct seen *s = r->first; s; s = s->next)
        r->lacking |= !is_inbound(s->line) && !is_yes(s->line, "chain");
}

/* The root that the chain ended at, in the store as it is now; NULL: it is not there. */
static const struct cert_info *root_of(const struct run *r, const struct ctl *line)
{
    struct span anchor = ctl_get(line, "anchor");
    for (unsigned i = 0; anchor.n == HEX_MAX && i < r->store.n; i++)
        if (cert_is_sha256(&r->store.item[i], anchor))
            return &r->store.item[i];
    return NULL;
}

/* --- showing --- */

static void add_root(struct run *r, struct table *t, const struct ctl *line)
{
    char left[OUT_TEXT_MAX];
    const struct cert_info *root = root_of(r, line);
    struct span title = root ? cert_title(root) : SPAN_NONE;
    if (root)
        table_addf(t, "%.*s, %s", (int)(title.n < 200 ? title.n : 200), title.p,
                   ends_text(root->until_ms, r->c->now_ms, left));
    else if (is_yes(line, "chain"))
        table_add(t, SPAN("NOT IN THE STORE"));
    else
        table_add(t, SPAN("LACKING"));
}

static void add_row(struct run *r, struct table *t, const struct seen *s)
{
    char time[OUT_TEXT_MAX];
    struct span spki = ctl_get(s->line, "spki");
    bool chain = is_yes(s->line, "chain");
    table_add(t, is_inbound(s->line) ? SPAN("client") : SPAN("server"));
    table_add(t, who(s->line));
    table_add(t, span_z(out_time(s->time_ms, time)));
    table_add(t, ctl_get(s->line, "names"));
    table_add(t, span_head(spki, spki.n < SHORT_DIGEST ? spki.n : SHORT_DIGEST));
    table_add(t, chain ? SPAN("trusted") : ctl_get(s->line, "verify"));
    add_root(r, t, s->line);
    table_add(t, ctl_get(s->line, "issuer"));
}

static enum cli_exit show_text(struct run *r, enum cli_exit code)
{
    static const char *const head[] = { "KIND", "WHO",   "LAST SEEN", "NAMES",
                                        "SPKI", "CHAIN", "ROOT",      "ISSUER" };
    struct table t;
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    table_init(&t, head, COUNTOF(head));
    for (const struct seen *s = r->first; s; s = s->next)
        add_row(r, &t, s);
    table_print(&t, "", &text);
    if (!r->first)
        buf_put(&text, SPAN("the trace has no certificates of that time\n"));
    code = cli_print(&text, code);
    table_done(&t);
    buf_done(&text);
    return code;
}

static void put_json(struct run *r, const struct seen *s, struct ctl *to)
{
    static const char *const keys[] = { "names", "spki", "issuer", "anchor", "verify", "tls" };
    const struct cert_info *root = root_of(r, s->line);
    ctl_set(to, "kind", is_inbound(s->line) ? SPAN("client") : SPAN("server"));
    ctl_set(to, "who", who(s->line));
    ctl_set_num(to, "last_seen", s->time_ms);
    for (size_t i = 0; i < COUNTOF(keys); i++)
        ctl_set(to, keys[i], ctl_get(s->line, keys[i]));
    ctl_set_bool(to, "trusted", is_yes(s->line, "chain"));
    ctl_set_bool(to, "root_in_store", root != NULL);
    ctl_set(to, "root", root ? root->subject : SPAN_NONE);
    ctl_set_num(to, "root_until", root ? root->until_ms : 0);
}

static enum cli_exit show_json(struct run *r, enum cli_exit code)
{
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", code == CLI_OK);
    ctl_array(out, "partners");
    for (const struct seen *s = r->first; s; s = s->next)
        put_json(r, s, ctl_add(out, "partners"));
    code = cli_json(out, code);
    ctl_free(out);
    return code;
}

/* A root that was there when mail was sent and is not in the store now will fail the next time. */
static bool is_root_gone(struct run *r)
{
    for (const struct seen *s = r->first; s; s = s->next)
        if (!is_inbound(s->line) && is_yes(s->line, "chain") && !root_of(r, s->line))
            return true;
    return false;
}

static enum cli_exit run_with(struct run *r, struct ask *a, struct ctl *request)
{
    struct why why;
    const struct args *args = r->c->args;
    struct ctl *found = ctl_new();
    size_t limit = args->limit > 0 ? (size_t)args->limit : LIMIT;
    enum cli_exit code;
    enum err e = trace_fetch(a, -1, request, limit, found, &why);
    if (e == ERR_OK) {
        gather(r, found);
        code = r->lacking || is_root_gone(r) || !r->first ? CLI_FAILED : CLI_OK;
        code = cli_missing(a, args->json ? show_json(r, code) : show_text(r, code));
    } else {
        code = cli_ask_failed(e, &why);
    }
    ctl_free(found);
    return code;
}

static enum cli_exit run_command(struct run *r)
{
    struct why why = { "" };
    struct ask a;
    int64_t since = r->c->now_ms - 30 * (int64_t)DAY_MS;
    if (r->c->args->since.n > 0 && cli_since(r->c, &since) != ERR_OK)
        return cli_usage("--since wants 2h, 3d, or a date");
    if (cert_file_store(r->c->args, &r->arena, &r->store, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_FAILED;
    }
    enum cli_exit code = cli_open(r->c, &a);
    if (code != CLI_OK)
        return code;
    struct ctl *request = ctl_new();
    ctl_set(request, "verb", SPAN("trace"));
    ctl_set_num(request, "since", since > 0 ? since : 0);
    code = run_with(r, &a, request);
    ctl_free(request);
    ask_close(&a);
    return code;
}

enum cli_exit cmd_cert_partners(const struct cli *c)
{
    static const struct hash_key key = { { 3, 4 } }; /* as many keys as lines at most */
    struct run r = { .c = c };
    if (c->args->n_word > 0)
        return cli_usage("cert partners takes no words");
    r.end = &r.first;
    arena_init(&r.arena, SIZE_MAX);
    map_init(&r.by_key, &key);
    enum cli_exit code = run_command(&r);
    map_done(&r.by_key);
    arena_done(&r.arena);
    return code;
}
