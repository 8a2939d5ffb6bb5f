#include "gate/config_org.h"
#include "base/when.h"
#include "mail/addr.h"

/* The values of connectors: patterns, names, keys, networks, CAs, and what is given up for a while.
 * They know nothing of which connector may say them. */

enum { PIN_BYTES = 64 }; /* a SHA-256 in hex */

/* --- lists: each value once, one at least, s->most at most --- */

typedef enum err take_fn(struct reader *r, const struct setting *s, const struct tree *t,
                         const struct tree_value *v, struct span *ret);

static enum err check_length(struct reader *r, const struct setting *s, const struct tree *t,
                             unsigned *ret_n)
{
    unsigned n = 0;
    for (const struct tree_value *v = t->values; v; v = v->next)
        n++;
    if (n == 0)
        return read_wants(r, s, t, NULL, "one value at least");
    if (n > s->most)
        return read_fail(r, t, NULL, "`%s` has %u values, and %u are the most", s->name, n,
                         (unsigned)s->most);
    *ret_n = n;
    return ERR_OK;
}

static enum err twice_in_list(struct reader *r, const struct setting *s, const struct tree *t,
                              const struct tree_value *v)
{
    return read_fail(r, t, v, "`%.*s` stands twice in `%s`; keep one of them",
                     SPAN_ARG(shown(v->text)), s->name);
}

static enum err read_list(struct reader *r, const struct setting *s, const struct tree *t,
                          take_fn *take, struct span_list *to)
{
    unsigned n;
    struct map seen;
    TRY(check_length(r, s, t, &n));
    struct span_list list = { .item = ARENA_ARRAY(r->arena, struct span, n) };
    enum err e = ERR_OK;
    map_init(&seen, &make_of(r)->boot->hash_key);
    for (const struct tree_value *v = t->values; e == ERR_OK && v; v = v->next) {
        struct span *item = &list.item[list.n++];
        e = take(r, s, t, v, item);
        if (e == ERR_OK && map_put(&seen, *item, item))
            e = twice_in_list(r, s, t, v);
    }
    map_done(&seen);
    if (e == ERR_OK)
        *to = list;
    return e;
}

/* A `*` that is not the whole first part of a name. */
static bool has_inner_star(struct span s)
{
    if (span_starts(s, SPAN("*.")))
        s = span_tail(s, 1);
    return span_find(s, '*') < s.n;
}

/* "example.org", "*.example.org", "*" */
static enum err take_pattern(struct reader *r, const struct setting *s, const struct tree *t,
                             const struct tree_value *v, struct span *ret)
{
    if (span_eq(v->text, SPAN("*"))) {
        *ret = SPAN("*");
        return ERR_OK;
    }
    if (has_inner_star(v->text))
        return read_wants(r, s, t, v, "a `*` only alone or as the whole first part");
    if (domain_is_literal(v->text) || name_parse(v->text, r->arena, ret) != ERR_OK)
        return read_wants(r, s, t, v, "domains, *.domain or *");
    return ERR_OK;
}

enum err make_patterns(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return read_list(r, s, t, take_pattern, to);
}

/* A name that a certificate shall have: "mx.example.org", "*.example.org" */
static enum err take_expected(struct reader *r, const struct setting *s, const struct tree *t,
                              const struct tree_value *v, struct span *ret)
{
    if (has_inner_star(v->text))
        return read_wants(r, s, t, v, "a `*` only as the whole first part of a name");
    if (domain_is_literal(v->text) || name_parse(v->text, r->arena, ret) != ERR_OK ||
        !name_expected_valid(*ret))
        return read_wants(r, s, t, v, "names of hosts, or *. and a domain of two parts at least");
    return ERR_OK;
}

enum err make_expected(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return read_list(r, s, t, take_expected, to);
}

static enum err take_pin(struct reader *r, const struct setting *s, const struct tree *t,
                         const struct tree_value *v, struct span *ret)
{
    static const char digits[] = "0123456789abcdef";
    char text[PIN_BYTES];
    bool right = v->text.n == PIN_BYTES;
    for (size_t i = 0; right && i < PIN_BYTES; i++) {
        text[i] = ascii_lower(v->text.p[i]);
        right = memchr(digits, text[i], sizeof digits - 1) != NULL;
    }
    if (!right)
        return read_wants(r, s, t, v, "SHA-256 of public keys as 64 hex digits");
    *ret = arena_span(r->arena, span_of(text, PIN_BYTES));
    return ERR_OK;
}

enum err make_pins(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return read_list(r, s, t, take_pin, to);
}

enum err make_addresses(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    char text[IP_TEXT_MAX + 16];
    unsigned n, i = 0;
    struct map seen;
    struct net_list list;
    TRY(check_length(r, s, t, &n));
    TRY(read_networks(r, s, t, &list));
    enum err e = ERR_OK;
    map_init(&seen, &make_of(r)->boot->hash_key);
    for (const struct tree_value *v = t->values; e == ERR_OK && v; v = v->next, i++) {
        struct ip_net *net = &list.item[i];
        size_t used = strlen(ip_text(&net->ip, text));
        memcpy(text + used, &net->bits, sizeof net->bits);
        if (map_put(&seen, span_of(text, used + sizeof net->bits), net))
            e = twice_in_list(r, s, t, v);
    }
    map_done(&seen);
    *(struct net_list *)to = list;
    return e;
}

/* --- other values --- */

enum err make_note(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    TRY(read_string(r, s, t, to));
    if (((struct span *)to)->n > CONFIG_NOTE_MAX)
        return read_fail(r, t, t->values, "`%s` is longer than %d bytes", s->name, CONFIG_NOTE_MAX);
    return ERR_OK;
}

/* A field's name and its value. */
enum err make_header(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct span_list list;
    TRY(read_strings(r, s, t, &list));
    if (list.n != 2)
        return read_wants(r, s, t, NULL, "two values: the name of a field and what it must be");
    struct span name = list.item[0];
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f || name.p[i] == ':')
            return read_wants(r, s, t, t->values, "the name of a field, without a colon");
    *(struct span_list *)to = list;
    return ERR_OK;
}

/* The CA's certificates, in the order of the file. */
static enum err digest_ca(struct reader *r, const struct tree *t, struct span pem,
                          struct make_ca *ret)
{
    struct why why = { "" };
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = tls_pem_digests(pem, &text, &why);
    if (e != ERR_OK) {
        buf_done(&text);
        return read_fail(r, t, t->values, "%s", why.text);
    }
    struct span rest = arena_span(r->arena, buf_span(&text));
    buf_done(&text);
    ret->digest = ARENA_ARRAY(r->arena, struct span, rest.n / PIN_BYTES);
    while (rest.n > 0)
        ret->digest[ret->n++] = span_cut(&rest, '\n');
    return ERR_OK;
}

enum err make_ca(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct config_make *m = make_of(r);
    struct span path, pem;
    TRY(read_path(r, s, t, &path));
    struct make_ca *ca = map_get(&m->ca, path);
    if (!ca) {
        TRY(make_file(m, t, t->values, path, &pem));
        ca = ARENA_NEW(&m->arena, struct make_ca);
        TRY(digest_ca(r, t, pem, ca));
        map_put(&m->ca, path, ca);
        buf_put(&m->private_ca_pem, pem);
        buf_put(&m->private_ca_pem, SPAN("\n"));
    }
    *(const struct make_ca **)to = ca;
    return ERR_OK;
}

/* --- weakenings --- */

/* The end of a day: the first moment when it is void. */
static enum err read_until(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    int64_t ms;
    bool day = t->values->text.n == sizeof "2026-12-31" - 1;
    if (!day || when_parse(t->values->text, &ms) != ERR_OK || ms <= 0)
        return read_wants(r, s, t, t->values, "a day, as year-month-day");
    *(int64_t *)to = ms + DAY_MS;
    return ERR_OK;
}

static const struct setting weakening_rows[] = {
    { "owner", "owner = \"it@example.org\"", .read = make_note,
      .offset = offsetof(struct weakening, owner) },
    { "reason", "reason = \"their new certificate is ordered\"", .read = make_note,
      .offset = offsetof(struct weakening, reason) },
    { "until", "until = 2026-12-31", .read = read_until,
      .offset = offsetof(struct weakening, until_ms) },
};

enum err make_allow(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const struct settings settings = { "allow", weakening_rows, COUNTOF(weakening_rows) };
    const struct tree *seen[SETTINGS_MAX] = { 0 };
    struct weakening *all = to, one = { .until_ms = 0 };
    enum weakening_kind k = WEAKEN_PLAINTEXT;
    while (k < WEAKEN_COUNT_ && !span_eq(t->args->text, span_z(weakening_name(k))))
        k++;
    if (k == WEAKEN_COUNT_)
        return read_wants(r, s, t, t->args, "plaintext, expired or name");
    if (all[k].until_ms != 0)
        return read_fail(r, t, t->args, "`allow \"%s\"` is said twice; keep one of them",
                         weakening_name(k));
    for (const struct tree *node = t->child; node; node = node->next)
        TRY(setting_read(r, node, &settings, seen, &one));
    for (size_t i = 0; i < settings.n; i++)
        if (!seen[i])
            return read_fail(r, t, NULL,
                             "`allow \"%s\"` has no `%s`; who gives up security says owner, reason "
                             "and until: %s",
                             weakening_name(k), settings.row[i].name, settings.row[i].example);
    all[k] = one;
    return ERR_OK;
}
