#include "cli/replay_read.h"

#include "base/log.h"
#include "io/idn.h"
#include "store/store.h"

enum { RCPTS_READ_MAX = 2000 };

static bool is(const struct ctl *line, const char *key, const char *value)
{
    return span_eq(ctl_get(line, key), span_z(value));
}

/* "unknown" where the line does not say it. */
static enum tri get_tri(const struct ctl *line, const char *key)
{
    for (enum tri t = TRI_NO; t <= TRI_YES; t++)
        if (is(line, key, tri_name(t)))
            return t;
    return TRI_UNKNOWN;
}

/* The keys of the line are its reader's: tls_facts_read passes over all others. "bits" is what
 * tls_facts_print writes last. */
static enum err read_tls(const struct ctl *line, struct arena *a, struct replay_tls *ret)
{
    struct buf text, value;
    void *it = NULL;
    const char *key;
    struct replay_tls tls = { .facts = { .on = false } };
    buf_init(&text, 4 * (size_t)STORE_TRACE_MAX);
    buf_init(&value, STORE_TRACE_MAX);
    while (ctl_each(line, &it, &key, &value))
        kv_str(&text, key, buf_span(&value));
    enum err e = tls_facts_read(buf_span(&text), a, &tls.facts);
    tls.whole = e == ERR_OK && (!tls.facts.on || ctl_has(line, "bits"));
    buf_done(&text);
    buf_done(&value);
    if (e == ERR_TOO_BIG)
        return e;
    *ret = tls;
    return ERR_OK;
}

static enum err read_rcpt(struct span text, struct arena *a, struct replay_rcpt *ret)
{
    struct replay_rcpt r;
    struct buf domain;
    TRY(addr_parse(text, true, &r.addr));
    if (r.addr.domain.n == 0)
        return ERR_SYNTAX;
    buf_init(&domain, DOMAIN_BYTES_MAX);
    enum err e = domain_is_literal(r.addr.domain) ? buf_append(&domain, r.addr.domain)
                                                  : idn_to_ascii(r.addr.domain, &domain);
    if (e == ERR_OK)
        e = arena_try_span(a, buf_span(&domain), &r.domain);
    buf_done(&domain);
    if (e == ERR_OK)
        *ret = r;
    return e == ERR_TOO_BIG ? e : e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

/* The first mailbox of a list: a comma within quotes is none between two. */
static struct span cut_mailbox(struct span *list)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < list->n && (quoted || list->p[i] != ','); i++) {
        if (quoted && list->p[i] == '\\' && i + 1 < list->n)
            i++;
        else if (list->p[i] == '"')
            quoted = !quoted;
    }
    struct span one = span_head(*list, i);
    *list = span_tail(*list, i < list->n ? i + 1 : i);
    return one;
}

static enum err read_rcpts(const struct ctl *line, struct arena *a, struct replay_in *in)
{
    struct span list = ctl_get(line, "to");
    int64_t n = ctl_has(line, "rcpts") ? ctl_get_num(line, "rcpts") : 1;
    void *memory;
    TRY(arena_try(a, RCPTS_READ_MAX * sizeof *in->rcpt, &memory));
    in->rcpt = memory;
    while (list.n > 0 && in->n_rcpt < RCPTS_READ_MAX)
        TRY(read_rcpt(cut_mailbox(&list), a, &in->rcpt[in->n_rcpt++]));
    in->all = list.n == 0 && in->n_rcpt == n;
    return in->n_rcpt > 0 ? ERR_OK : ERR_SYNTAX;
}

enum err replay_read_in(const struct ctl *line, struct arena *a, struct replay_in *ret)
{
    struct span from = ctl_get(line, "from"), client = ctl_get(line, "client");
    struct replay_in in = {
        .time_ms = ctl_get_num(line, "time"),
        .unasked = is(line, "certificate-asked", "no"),
        .org = ctl_get(line, "org"),
        .rule = ctl_get(line, "rule"),
        .requiretls = is(line, "requiretls", "yes"),
        .tls_required_no = is(line, "tls-required", "no"),
    };
    if (in.time_ms <= 0 || (from.n > 0 && addr_parse(from, true, &in.from) != ERR_OK))
        return ERR_SYNTAX;
    if (client.n > 0 && ip_parse_port(client, 0, &in.client) != ERR_OK)
        return ERR_SYNTAX;
    TRY(read_tls(line, a, &in.tls));
    TRY(read_rcpts(line, a, &in));
    *ret = in;
    return ERR_OK;
}

/* The codes that decide.h has for channels, as they are while it is tried again and at the end. */
static bool is_tls_reply(struct span reply)
{
    static const char *const begins[] = { "450 4.4.317 ", "450 4.7.320 ", "550 5.4.317 ",
                                          "550 5.7.320 " };
    for (size_t i = 0; i < COUNTOF(begins); i++)
        if (span_starts(reply, span_z(begins[i])))
            return true;
    return false;
}

static void read_host(const struct ctl *line, struct host_facts *h)
{
    *h = (struct host_facts){
        .name = ctl_get(line, ctl_has(line, "tried") ? "tried" : "host"),
        .connected = get_tri(line, "connected"),
        .starttls_offered = get_tri(line, "starttls"),
        .handshake = get_tri(line, "handshake"),
    };
}

enum err replay_read_out(const struct ctl *line, struct arena *a, struct replay_out *ret)
{
    struct replay_out out = {
        .time_ms = ctl_get_num(line, "time"),
        .connector = ctl_get(line, "connector"),
        .contract = ctl_get(line, "contract"),
        .delivered = is(line, "event", "delivered"),
        .told = ctl_has(line, "starttls"),
        .n_host = (unsigned)ctl_get_num(line, "hosts"),
    };
    out.channel = out.delivered || ctl_get(line, "ip").n > 0;
    out.broken = !out.channel && is_tls_reply(ctl_get(line, "reply"));
    if (out.time_ms <= 0)
        return ERR_SYNTAX;
    TRY(read_rcpt(ctl_get(line, "to"), a, &out.to));
    TRY(read_tls(line, a, &out.tls));
    read_host(line, &out.host);
    *ret = out;
    return ERR_OK;
}
