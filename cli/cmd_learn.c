/* postern connector learn: what the clients of each sender's domain have shown, from the trace, and
 * the inbound connector that would admit exactly those. Start reading at cmd_connector_learn. */
#include "cli/cli.h"

#include "base/map.h"
#include "base/when.h"

enum {
    MESSAGES = 10000,
    DAYS = 7,
    IDENTITIES_MAX = 5000,
    KEY_MAX = 8192,
    VALUES_MAX = 64, /* of one setting */
    TEXT_MAX = 16 * 1024,
};

struct learning {
    struct map sender, identity; /* -> struct ctl of ret, which owns them */
    struct span only;            /* this domain; empty: all */
    struct ctl *ret;
    unsigned n;
};

/* --- gathering --- */

static struct span sender_of(const struct ctl *line)
{
    struct span from = ctl_get(line, "from");
    size_t at = span_rfind(from, '@');
    return at < from.n ? span_tail(from, at + 1) : SPAN("<>");
}

/* "192.0.2.1:25" or "[2001:db8::1]:25", without the port. */
static struct span address_of(const struct ctl *line)
{
    struct span client = ctl_get(line, "client");
    if (client.n == 0 || client.p[0] != '[')
        return span_head(client, span_rfind(client, ':'));
    client = span_tail(client, 1);
    return span_head(client, span_find(client, ']'));
}

static void note_time(struct ctl *row, int64_t time)
{
    int64_t first = ctl_get_num(row, "first"), last = ctl_get_num(row, "last");
    if (first == 0 || time < first)
        ctl_set_num(row, "first", time);
    if (time > last)
        ctl_set_num(row, "last", time);
}

static struct ctl *sender_row(struct learning *l, struct span domain)
{
    struct ctl *row = map_get(&l->sender, domain);
    if (row)
        return row;
    row = ctl_add(l->ret, "senders");
    ctl_set(row, "domain", domain);
    ctl_array(row, "identities");
    map_put(&l->sender, domain, row);
    return row;
}

static const char *const shown_keys[] = { "tls",    "names", "spki",     "issuer",
                                          "anchor", "chain", "connector" };

static struct ctl *identity_row(struct learning *l, const struct ctl *line)
{
    struct buf key;
    buf_init(&key, KEY_MAX);
    buf_putf(&key, "%.*s %.*s", SPAN_ARG(sender_of(line)), SPAN_ARG(address_of(line)));
    for (size_t i = 0; i < COUNTOF(shown_keys); i++) {
        struct span value = ctl_get(line, shown_keys[i]);
        buf_putf(&key, "\n%.*s", SPAN_ARG(value));
    }
    struct ctl *row = map_get(&l->identity, buf_span(&key));
    if (!row && l->n < IDENTITIES_MAX) {
        l->n++;
        row = ctl_add(sender_row(l, sender_of(line)), "identities");
        ctl_set(row, "address", address_of(line));
        for (size_t i = 0; i < COUNTOF(shown_keys); i++)
            ctl_set(row, shown_keys[i], ctl_get(line, shown_keys[i]));
        map_put(&l->identity, buf_span(&key), row);
    }
    buf_done(&key);
    return row;
}

static void learn_line(struct learning *l, const struct ctl *line)
{
    struct span event = ctl_get(line, "event");
    bool refused = span_eq(event, SPAN("refused"));
    if (!refused && !span_eq(event, SPAN("accepted")))
        return;
    if (!ctl_has(line, "client") || ctl_get(line, "client").n == 0)
        return;
    if (l->only.n > 0 && !span_eq_nocase(l->only, sender_of(line)))
        return;
    struct ctl *row = identity_row(l, line);
    if (!row) {
        ctl_set_bool(l->ret, "more", true);
        return;
    }
    const char *count = refused ? "refused" : "accepted";
    ctl_set_num(row, count, ctl_get_num(row, count) + 1);
    note_time(row, ctl_get_num(line, "time"));
}

/* --- the suggestion --- */

static bool is_name(struct span s)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.:";
    bool right = s.n > 0;
    for (size_t i = 0; right && i < s.n; i++)
        right = memchr(bytes, ascii_lower(s.p[i]), sizeof bytes - 1) != NULL;
    return right;
}

/* Different values; what is no plain name is counted only. */
struct values {
    struct span item[VALUES_MAX];
    unsigned n, strange;
};

static void values_add(struct values *v, struct span s)
{
    for (unsigned i = 0; i < v->n; i++)
        if (span_eq_nocase(v->item[i], s))
            return;
    if (!is_name(s) || v->n == VALUES_MAX)
        v->strange++;
    else
        v->item[v->n++] = s;
}

static void put_values(const char *setting, const struct values *v, struct buf *out)
{
    buf_putf(out, "    %s = [", setting);
    for (unsigned i = 0; i < v->n; i++)
        buf_putf(out, "%s\"%.*s\"", i > 0 ? ", " : "", SPAN_ARG(v->item[i]));
    buf_put(out, SPAN("]\n"));
}

struct lesson {
    struct values names, keys, addresses;
    unsigned n, plaintext, bare, untrusted;
};

static void lesson_add(struct lesson *s, const struct ctl *row)
{
    struct span names = ctl_get(row, "names"), tls = ctl_get(row, "tls");
    bool cert = ctl_get(row, "spki").n > 0;
    s->n++;
    s->plaintext += tls.n == 0 || span_eq(tls, SPAN("none"));
    s->bare += !cert;
    s->untrusted += cert && !span_eq(ctl_get(row, "chain"), SPAN("yes"));
    values_add(&s->addresses, ctl_get(row, "address"));
    if (!cert)
        return;
    values_add(&s->names, span_cut(&names, ','));
    values_add(&s->keys, ctl_get(row, "spki"));
}

static void warn(struct ctl *sender, const char *text)
{
    ctl_set(ctl_add(sender, "warnings"), "text", span_z(text));
}

static void warn_of(const struct lesson *s, struct ctl *sender)
{
    ctl_array(sender, "warnings");
    if (s->plaintext > 0)
        warn(sender, "some came without TLS");
    if (s->bare > 0)
        warn(sender, s->bare == s->n ? "no certificate was shown: addresses alone prove nobody"
                                     : "some showed no certificate: addresses alone prove nobody");
    if (s->untrusted > 0)
        warn(sender, "some certificates are of no trusted authority or out of their time: their "
                     "keys are listed");
    if (s->names.n > 1)
        warn(sender, "certificates with different names were shown: are all of them the sender's?");
    if (s->names.strange + s->keys.strange + s->addresses.strange > 0)
        warn(sender, "some of what was shown cannot stand in a configuration, or is too much");
}

/* What inbound connector would admit exactly these. */
static void suggest(struct ctl *sender)
{
    struct lesson s = { .n = 0 };
    struct span domain = ctl_get(sender, "domain");
    struct buf text;
    for (size_t i = 0; i < ctl_count(sender, "identities"); i++)
        lesson_add(&s, ctl_at(sender, "identities", i));
    warn_of(&s, sender);
    if (!is_name(domain))
        return;
    buf_init(&text, TEXT_MAX);
    buf_putf(&text,
             "inbound \"NAME\" {\n    kind = partner\n    mode = test\n    from = \"%.*s\"\n",
             SPAN_ARG(domain));
    if (s.plaintext == 0)
        buf_put(&text, SPAN("    require_tls = yes\n"));
    bool by_name = s.bare == 0 && s.untrusted == 0 && s.names.n > 0 && s.names.strange == 0;
    bool by_key = s.bare == 0 && !by_name && s.keys.n > 0;
    if (by_name)
        put_values("certificate_names", &s.names, &text);
    else if (by_key)
        put_values("public_keys", &s.keys, &text);
    else
        put_values("addresses", &s.addresses, &text);
    buf_put(&text, by_name || by_key ? SPAN("    restrict_to_certificate = yes\n}\n")
                                     : SPAN("    restrict_to_addresses = yes\n}\n"));
    ctl_set(sender, "suggestion", buf_span(&text));
    buf_done(&text);
}

static void learn(struct learning *l, const struct ctl *found)
{
    ctl_set_bool(l->ret, "ok", true);
    ctl_set_bool(l->ret, "more", ctl_get_bool(found, "more"));
    ctl_array(l->ret, "senders");
    for (size_t i = 0; i < ctl_count(found, "messages"); i++) {
        const struct ctl *m = ctl_at(found, "messages", i);
        for (size_t k = 0; k < ctl_count(m, "lines"); k++)
            learn_line(l, ctl_at(m, "lines", k));
    }
    for (size_t i = 0; i < ctl_count(l->ret, "senders"); i++)
        suggest(ctl_at(l->ret, "senders", i));
}

/* --- for people --- */

static struct span or_dash(struct span s)
{
    return s.n > 0 ? s : SPAN("-");
}

static void put_identities(const struct ctl *sender, struct buf *out)
{
    static const char *const head[] = { "ADDRESS",   "TLS",      "NAMES", "CHAIN",    "KEY",
                                        ">ACCEPTED", ">REFUSED", "LAST",  "CONNECTOR" };
    char time[OUT_TEXT_MAX];
    struct table t;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < ctl_count(sender, "identities"); i++) {
        const struct ctl *row = ctl_at(sender, "identities", i);
        struct span key = ctl_get(row, "spki");
        table_add(&t, ctl_get(row, "address"));
        table_add(&t, or_dash(ctl_get(row, "tls")));
        table_add(&t, or_dash(ctl_get(row, "names")));
        table_add(&t, or_dash(ctl_get(row, "chain")));
        table_add(&t, or_dash(span_head(key, key.n < 12 ? key.n : 12)));
        table_addf(&t, "%lld", (long long)ctl_get_num(row, "accepted"));
        table_addf(&t, "%lld", (long long)ctl_get_num(row, "refused"));
        table_addf(&t, "%s", out_time(ctl_get_num(row, "last"), time));
        table_add(&t, or_dash(ctl_get(row, "connector")));
    }
    table_print(&t, "  ", out);
    table_done(&t);
}

static void put_sender(const struct ctl *sender, struct buf *out)
{
    out_clean(ctl_get(sender, "domain"), out);
    buf_put(out, SPAN("\n"));
    put_identities(sender, out);
    for (size_t i = 0; i < ctl_count(sender, "warnings"); i++) {
        buf_put(out, SPAN("  warning: "));
        out_clean(ctl_get(ctl_at(sender, "warnings", i), "text"), out);
        buf_put(out, SPAN("\n"));
    }
    out_clean_lines(ctl_get(sender, "suggestion"), out);
    buf_put(out, SPAN("\n"));
}

static enum cli_exit show(const struct cli *c, const struct ctl *learnt)
{
    size_t n = ctl_count(learnt, "senders");
    struct buf text;
    if (c->args->json)
        return cli_json(learnt, n > 0 ? CLI_OK : CLI_FAILED);
    buf_init(&text, OUT_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        put_sender(ctl_at(learnt, "senders", i), &text);
    enum cli_exit code = cli_print(&text, n > 0 ? CLI_OK : CLI_FAILED);
    buf_done(&text);
    if (n == 0)
        out_complain("nothing that a client sent is in the trace");
    if (ctl_get_bool(learnt, "more"))
        out_complain("there is more: ask with --limit, --from, or a shorter --since");
    return code;
}

static enum cli_exit learn_with(const struct cli *c, struct ctl *request)
{
    static const struct hash_key key; /* what is in it was let in by our own limits */
    struct ask a;
    struct why why;
    size_t limit = c->args->limit > 0 ? (size_t)c->args->limit : MESSAGES;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct ctl *found = ctl_new();
    struct learning l = { .only = c->args->from, .ret = ctl_new() };
    map_init(&l.sender, &key);
    map_init(&l.identity, &key);
    enum err e = trace_fetch(&a, -1, request, limit, found, &why);
    if (e == ERR_OK)
        learn(&l, found);
    code = e == ERR_OK ? cli_missing(&a, show(c, l.ret)) : cli_ask_failed(e, &why);
    map_done(&l.sender);
    map_done(&l.identity);
    ctl_free(l.ret);
    ctl_free(found);
    ask_close(&a);
    return code;
}

enum cli_exit cmd_connector_learn(const struct cli *c)
{
    int64_t since = c->now_ms - (int64_t)DAYS * DAY_MS;
    struct ctl *request = ctl_new();
    enum cli_exit code;
    ctl_set(request, "verb", SPAN("trace"));
    if (c->args->n_word > 0)
        code = cli_usage("connector learn takes no words");
    else if (c->args->since.n > 0 && cli_since(c, &since) != ERR_OK)
        code = cli_usage("--since wants a duration or a date: 2h, 3d, 2026-11-23");
    else {
        ctl_set_num(request, "since", since);
        code = learn_with(c, request);
    }
    ctl_free(request);
    return code;
}
