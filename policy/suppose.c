/* Start at suppose_hosts. */
#include "policy/suppose.h"

#include "base/log.h"
#include "base/why.h"
#include "mail/text.h"

enum { WORDS_MAX = 60, KEYS_MAX = 600 };

/* "scope/key=value", taken apart. scope.n == 0: none was said. */
struct said {
    struct span text, scope, key, value;
};

static struct span shown(struct span s)
{
    return text_cut(s, WORDS_MAX);
}

static enum err take_apart(struct span text, struct said *ret, struct why *why)
{
    size_t equals = span_find(text, '=');
    struct span left = span_head(text, equals);
    size_t cut = span_rfind(left, '/');
    if (equals == text.n || equals == 0 || text.n > SUPPOSE_TEXT_MAX) {
        why_set(why, "`%.*s` is no FACT=VALUE: write starttls=no, or mx.example.org/starttls=no",
                SPAN_ARG(shown(text)));
        return ERR_SYNTAX;
    }
    if (cut == left.n)
        cut = span_rfind(left, ':');
    *ret = (struct said){ .text = text, .key = left, .value = span_tail(text, equals + 1) };
    if (cut < left.n) {
        ret->scope = span_head(left, cut);
        ret->key = span_tail(left, cut + 1);
    }
    return ERR_OK;
}

static bool list_has(const struct buf *list, struct span key)
{
    struct span left = buf_span(list);
    while (left.n > 0)
        if (span_eq(span_cut(&left, ' '), key))
            return true;
    return false;
}

/* Which line the key stands in. */
enum line { LINE_DOMAIN = 1, LINE_HOST = 2, LINE_TLS = 4 };

static unsigned lines_of(struct span key)
{
    struct buf keys[3];
    unsigned ret = 0;
    for (unsigned i = 0; i < COUNTOF(keys); i++)
        buf_init(&keys[i], KEYS_MAX);
    facts_keys(false, &keys[0]);
    facts_keys(true, &keys[1]);
    tls_facts_keys(&keys[2]);
    for (unsigned i = 0; i < COUNTOF(keys); i++) {
        ret |= list_has(&keys[i], key) ? 1u << i : 0;
        buf_done(&keys[i]);
    }
    return ret;
}

static enum err no_such_key(const struct said *s, struct why *why)
{
    struct buf keys;
    buf_init(&keys, 3 * (size_t)KEYS_MAX);
    bool client = span_eq(s->scope, SPAN("client"));
    if (!client && s->scope.n == 0)
        facts_keys(false, &keys);
    if (!client)
        facts_keys(true, &keys);
    tls_facts_keys(&keys);
    why_set(why, "`%.*s` is no fact here; there are: %.*s", SPAN_ARG(shown(s->key)),
            SPAN_ARG(span_trim(buf_span(&keys))));
    buf_done(&keys);
    return ERR_SYNTAX;
}

/* --- a channel --- */

/* Stands for a root of the public: no certificate has this digest. */
static const char some_root[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* What every contract takes, but for names and for roots that are a partner's own. */
static struct tls_facts good_channel(struct span name)
{
    return (struct tls_facts){
        .on = true,
        .forward_secret = true,
        .peer_cert = true,
        .chain_ok = true,
        .name_ok = true,
        .client_usage = true,
        .revoked = TLS_REVOKED_NO,
        .dane = TLS_DANE_EE,
        .bits = 256,
        .version = SPAN("TLSv1.3"),
        .names = name,
        .verify = SPAN("ok"),
        .anchor = span_z(some_root),
    };
}

/* The other pairs as they are, this one new; read by the one who knows the keys. */
static enum err set_tls(struct tls_facts *f, const struct said *s, struct arena *a, struct why *why)
{
    struct buf is, text, value;
    struct span left, key;
    struct tls_facts on = f->on ? *f : good_channel(SPAN_NONE);
    buf_init(&is, TLS_FACTS_TEXT_MAX);
    buf_init(&text, (size_t)TLS_FACTS_TEXT_MAX + 4 * SUPPOSE_TEXT_MAX);
    buf_init(&value, TLS_FACTS_TEXT_MAX);
    tls_facts_print(&on, &is);
    for (left = buf_span(&is); kv_next(&left, &key, &value) == ERR_OK;)
        if (!span_eq(key, s->key))
            kv_str(&text, arena_z(a, key), buf_span(&value));
    kv_str(&text, arena_z(a, s->key), s->value);
    enum err e = tls_facts_read(buf_span(&text), a, f);
    if (e != ERR_OK)
        why_set(why, "`%.*s` is no value for %.*s: flags are yes or no, bits a number",
                SPAN_ARG(shown(s->value)), SPAN_ARG(shown(s->key)));
    buf_done(&is);
    buf_done(&text);
    buf_done(&value);
    return e;
}

static bool names_hold(const struct contract *c, struct span host, struct span presented)
{
    const struct name_set own = { .n = 1, .name = &host };
    for (unsigned i = 0; i < c->n_names; i++)
        if (!names_match(c->names[i], presented))
            return false;
    return (c->n_names > 0 && !c->host_name) || names_match(&own, presented);
}

/* A handshake as supposed: what decide.h makes of it. */
static void follow(const struct contract *c, struct host_facts *h, struct tls_facts *tls,
                   bool name_told)
{
    h->connected = TRI_YES;
    h->starttls_offered = TRI_YES;
    h->handshake = tls->on ? TRI_YES : TRI_NO;
    h->channel = TRI_UNKNOWN;
    h->breach = BREACH_NONE;
    if (!tls->on)
        return;
    if (!name_told)
        tls->name_ok = names_hold(c, h->name, tls->names);
    struct verdict v = decide_secured(c, h, tls);
    h->channel = v.step == STEP_SEND ? TRI_YES : TRI_NO;
    h->breach = v.breach;
    h->failure = v.step == STEP_SEND ? SPAN_NONE : span_z(v.why);
}

/* --- which host --- */

/* Of a host's own facts, what goes before follows: who is asked for STARTTLS was reached. */
static void follow_host(struct host_facts *h, struct span key)
{
    bool starttls = span_eq(key, SPAN("starttls")), handshake = span_eq(key, SPAN("handshake"));
    if (!starttls && !handshake)
        return;
    h->connected = TRI_YES;
    if (handshake && h->handshake != TRI_UNKNOWN)
        h->starttls_offered = TRI_YES;
    if (starttls && h->starttls_offered == TRI_NO)
        h->handshake = TRI_UNKNOWN;
    h->channel = TRI_UNKNOWN;
    h->breach = BREACH_NONE;
}

static void note(struct suppose *s, int host, struct span key)
{
    ASSERT(s->n < s->cap);
    s->item[s->n++] = (struct suppose_item){ host, key };
}

static enum err set_host(const struct said *said, unsigned i, struct facts *f, struct arena *a,
                         struct suppose *s, struct why *why)
{
    struct host_facts *h = &f->host[i];
    note(s, (int)i, said->key);
    if (!(lines_of(said->key) & LINE_TLS)) {
        TRY(facts_set(f, h, said->key, said->value, a, why));
        follow_host(h, said->key);
        return ERR_OK;
    }
    if (!s->has_tls[i])
        s->tls[i] = good_channel(h->name);
    s->has_tls[i] = true;
    s->name_told[i] = s->name_told[i] || span_eq(said->key, SPAN("name"));
    return set_tls(&s->tls[i], said, a, why);
}

static enum err no_such_host(const struct said *said, const struct facts *f, struct why *why)
{
    struct buf names;
    buf_init(&names, FACTS_HOSTS_MAX * (WORDS_MAX + 2));
    for (unsigned i = 0; i < f->n_host; i++)
        buf_putf(&names, "%s%.*s", i > 0 ? ", " : "", SPAN_ARG(shown(f->host[i].name)));
    why_set(why, "there is no host `%.*s`; there are: %.*s", SPAN_ARG(shown(said->scope)),
            SPAN_ARG(names.n > 0 ? buf_span(&names) : SPAN("none")));
    buf_done(&names);
    return ERR_SYNTAX;
}

static bool is_fixed(struct span key)
{
    return span_eq(key, SPAN("domain")) || span_eq(key, SPAN("host")) || span_eq(key, SPAN("now"));
}

static enum err set_one(const struct said *said, struct facts *f, struct arena *a,
                        struct suppose *s, struct why *why)
{
    unsigned lines = lines_of(said->key);
    bool all = said->scope.n == 0, found = false;
    if (is_fixed(said->key)) {
        why_set(why, "%.*s says what the question is about; ask another one (--to, --at)",
                SPAN_ARG(said->key));
        return ERR_SYNTAX;
    }
    if (all && lines & LINE_DOMAIN) {
        note(s, SUPPOSE_DOMAIN, said->key);
        return facts_set(f, NULL, said->key, said->value, a, why);
    }
    if (!(lines & (LINE_HOST | LINE_TLS)))
        return no_such_key(said, why);
    for (unsigned i = 0; i < f->n_host; i++) {
        if (!all && !span_eq_nocase(f->host[i].name, said->scope))
            continue;
        found = true;
        TRY(set_host(said, i, f, a, s, why));
    }
    return found || all ? ERR_OK : no_such_host(said, f, why);
}

enum err suppose_hosts(const struct suppose_ask *ask, const struct contract *c, struct facts *f,
                       struct arena *a, struct suppose *ret, struct why *why)
{
    struct suppose s = { .cap = ask->n * FACTS_HOSTS_MAX };
    ASSERT(ask->n <= SUPPOSE_MAX);
    s.item = ask->n > 0 ? ARENA_ARRAY(a, struct suppose_item, s.cap) : NULL;
    for (unsigned i = 0; i < ask->n; i++) {
        struct said said;
        TRY(take_apart(ask->text[i], &said, why));
        if (!span_eq(said.scope, SPAN("client")))
            TRY(set_one(&said, f, a, &s, why));
    }
    for (unsigned i = 0; i < f->n_host; i++) {
        struct contract own = decide_host_contract(c, f, i);
        if (s.has_tls[i])
            follow(&own, &f->host[i], &s.tls[i], s.name_told[i]);
    }
    *ret = s;
    return ERR_OK;
}

/* What a channel has that shows no certificate. */
static bool is_without_certificate(struct span key)
{
    static const char *const keys[] = { "tls", "suite", "group",   "sni",
                                        "fs",  "cert",  "resumed", "bits" };
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(key, span_z(keys[i])))
            return true;
    return false;
}

enum err suppose_client(const struct suppose_ask *ask, struct tls_facts *tls, struct arena *a,
                        bool *ret_any, struct why *why)
{
    bool any = false;
    for (unsigned i = 0; i < ask->n; i++) {
        struct said said;
        TRY(take_apart(ask->text[i], &said, why));
        if (!span_eq(said.scope, SPAN("client")))
            continue;
        if (!(lines_of(said.key) & LINE_TLS))
            return no_such_key(&said, why);
        if (tls->on && !tls->peer_cert && !is_without_certificate(said.key))
            *tls = good_channel(SPAN_NONE);
        TRY(set_tls(tls, &said, a, why));
        any = true;
    }
    *ret_any = any;
    return ERR_OK;
}

bool suppose_has(const struct suppose *s, int host, const char *key)
{
    for (unsigned i = 0; s && i < s->n; i++)
        if (s->item[i].host == host && span_eq(s->item[i].key, span_z(key)))
            return true;
    return false;
}
