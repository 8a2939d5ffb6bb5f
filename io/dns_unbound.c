/* The resolver: libunbound with its own thread, answers through its descriptor.
 *
 * A question is in exactly one list: `asked` while the library has it, `done` when the answer is
 * there. Answers are given from `done`, outside of ub_process(), so that a callback may ask and
 * cancel as it likes. The library gives up on a dead server only after many seconds: each question
 * has a timer of ours.
 */
#include "io/dns.h"
#include <unbound.h>
#include <unistd.h>

enum { NAME_TEXT_MAX = 254, PATH_TEXT_MAX = 1024, CLASS_IN = 1, RCODE_OK = 0, RCODE_NXDOMAIN = 3 };

static const char default_anchor[] = "/usr/share/dns/root.key";

struct dns {
    struct loop *loop;
    struct ub_ctx *ub;
    struct watch *watch;
    struct defer answer;
    struct list asked, done;
    struct list round_end; /* in `done` while answers are given */
    int64_t timeout_ms;
};

struct dns_query {
    struct list in;
    struct dns *dns;
    struct timer timer;
    dns_fn *fn;
    void *arg;
    int id;                   /* the library's, while in `asked` */
    int error;                /* the library's */
    const char *text;         /* an error of ours */
    struct ub_result *result; /* when it came */
};

/* --- answers --- */

static void query_free(struct dns_query *q)
{
    timer_stop(&q->timer);
    list_remove(&q->in);
    ub_resolve_free(q->result);
    mem_free(q);
}

static const char *rcode_text(int rcode)
{
    switch (rcode) {
    case 1:
        return "the resolver says: format error";
    case 2:
        return "the resolver says: server failure";
    case 4:
        return "the resolver says: not implemented";
    case 5:
        return "the resolver says: refused";
    default:
        return "the resolver says: an unusual error";
    }
}

/* Forged data come with havedata and rcode 0, too: bogus is looked at before everything else. */
static void answer_judge(const struct ub_result *r, struct dns_answer *ret)
{
    ret->security = r->bogus ? DNS_BOGUS : r->secure ? DNS_SECURE : DNS_INSECURE;
    ret->ttl_ms = (int64_t)r->ttl * 1000;
    if (r->bogus) {
        ret->status = DNS_FAIL;
        ret->text = r->why_bogus ? r->why_bogus : "bogus";
    } else if (r->rcode == RCODE_NXDOMAIN || r->nxdomain) {
        ret->status = DNS_NXDOMAIN;
    } else if (r->rcode != RCODE_OK) {
        ret->status = DNS_FAIL;
        ret->text = rcode_text(r->rcode);
    } else {
        ret->status = r->havedata ? DNS_OK : DNS_NODATA;
    }
}

static unsigned answer_count(const struct ub_result *r)
{
    unsigned n = 0;
    while (r->data && r->data[n])
        n++;
    return n;
}

/* The caller frees ret->rdata. */
static void answer_records(const struct ub_result *r, struct dns_answer *ret)
{
    ret->n = answer_count(r);
    ret->rdata = mem_alloc(ret->n * sizeof *ret->rdata);
    for (unsigned i = 0; i < ret->n; i++)
        ret->rdata[i] = span_of(r->data[i], (size_t)r->len[i]);
    ret->canonical = span_z(r->canonname);
    if (ret->canonical.n > 0 && ret->canonical.p[ret->canonical.n - 1] == '.')
        ret->canonical.n--;
}

/* Tells the one who asked, and forgets the question. */
static void query_answer(struct dns_query *q)
{
    struct dns_answer a = { .status = DNS_FAIL, .text = q->text };
    if (!a.text && q->error)
        a.text = ub_strerror(q->error);
    if (!a.text && !q->result)
        a.text = "no answer";
    if (!a.text)
        answer_judge(q->result, &a);
    if (a.status == DNS_OK)
        answer_records(q->result, &a);
    struct span *rdata = a.rdata;
    list_remove(&q->in);
    q->fn(q->arg, &a);
    mem_free(rdata);
    query_free(q);
}

/* What is there now; what the callbacks add comes in the next round. */
static void dns_answer_done(void *arg)
{
    struct dns *d = arg;
    list_push(&d->done, &d->round_end);
    while (d->done.next != &d->round_end)
        query_answer(LIST_ENTRY(d->done.next, struct dns_query, in));
    list_remove(&d->round_end);
}

static void query_done(struct dns_query *q)
{
    timer_stop(&q->timer);
    list_remove(&q->in);
    list_push(&q->dns->done, &q->in);
    defer_call(&q->dns->answer);
}

static void query_result(void *arg, int error, struct ub_result *result)
{
    struct dns_query *q = arg;
    q->error = error;
    q->result = result;
    query_done(q);
}

static void dns_readable(void *arg)
{
    struct dns *d = arg;
    (void)ub_process(d->ub); /* what fails in it comes as the answer of a question */
}

static void query_timeout(void *arg)
{
    struct dns_query *q = arg;
    (void)ub_cancel(q->dns->ub, q->id);
    q->text = "no answer in time";
    query_done(q);
}

/* --- questions --- */

/* libunbound reads backslashes and more: only what can stand in a host name goes there. */
static bool name_text(struct span name, char ret[static NAME_TEXT_MAX + 1])
{
    if (name.n == 0 || name.n > NAME_TEXT_MAX - 1)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c != '\0' && strchr("-_.", c)))
            return false;
        ret[i] = c;
    }
    ret[name.n] = '\0';
    return true;
}

struct dns_query *dns_ask(struct dns *d, struct span name, enum dns_type type, dns_fn *fn,
                          void *arg)
{
    struct dns_query *q = NEW(struct dns_query);
    q->dns = d;
    q->fn = fn;
    q->arg = arg;
    timer_init(&q->timer, d->loop, query_timeout, q);
    list_init(&q->in);
    list_push(&d->asked, &q->in);
    char text[NAME_TEXT_MAX + 1];
    if (!name_text(name, text)) {
        q->text = "not a name that can be asked for";
        query_done(q);
        return q;
    }
    q->error = ub_resolve_async(d->ub, text, (int)type, CLASS_IN, q, query_result, &q->id);
    if (q->error)
        query_done(q);
    else
        timer_set(&q->timer, loop_now_ms(d->loop) + d->timeout_ms);
    return q;
}

void dns_cancel(struct dns_query *q)
{
    if (!q)
        return;
    if (timer_armed(&q->timer)) /* the library has it still */
        (void)ub_cancel(q->dns->ub, q->id);
    query_free(q);
}

/* --- life --- */

static enum err option_error(struct why *why, const char *what, struct span value, int error)
{
    why_set(why, "%s \"%.*s\": %s", what, SPAN_ARG(value), ub_strerror(error));
    return ERR_SYNTAX;
}

typedef int ub_setter(struct ub_ctx *ub, const char *value);

static enum err set_text(struct ub_ctx *ub, ub_setter *setter, struct span value, const char *what,
                         struct why *why)
{
    char text[PATH_TEXT_MAX] = { 0 };
    if (value.n >= sizeof text)
        return option_error(why, what, SPAN("..."), UB_SYNTAX);
    memcpy(text, value.p, value.n);
    int e = setter(ub, text);
    return e ? option_error(why, what, value, e) : ERR_OK;
}

static enum err set_resolvers(struct ub_ctx *ub, const struct dns_config *config, struct why *why)
{
    ASSERT(config->n_resolver <= COUNTOF(config->resolver));
    for (unsigned i = 0; i < config->n_resolver; i++)
        TRY(set_text(ub, ub_ctx_set_fwd, config->resolver[i], "resolver", why));
    if (config->n_resolver > 0)
        return ERR_OK;
    return set_text(ub, ub_ctx_resolvconf, SPAN("/etc/resolv.conf"), "resolver file", why);
}

static enum err set_anchor(struct ub_ctx *ub, const struct dns_config *config, struct why *why)
{
    struct span file = config->trust_anchor_file;
    if (file.n == 0 && access(default_anchor, R_OK) == 0)
        file = span_z(default_anchor);
    if (file.n == 0)
        return ERR_OK;
    return set_text(ub, ub_ctx_add_ta_file, file, "trust anchor file", why);
}

/* A question about ourselves, answered without a server, makes the library read its files and
 * check its options now. */
static enum err finalise(struct ub_ctx *ub, struct why *why)
{
    struct ub_result *r = NULL;
    int e = ub_resolve(ub, "localhost.", DNS_A, CLASS_IN, &r);
    if (e)
        why_set(
            why,
            "the resolver cannot start: %s; the trust anchor file or the options file cannot be "
            "read or understood",
            ub_strerror(e));
    ub_resolve_free(r);
    return e ? ERR_SYNTAX : ERR_OK;
}

static enum err setup(struct ub_ctx *ub, const struct dns_config *config, struct why *why)
{
    ub_ctx_debugout(ub, NULL);
    int e = ub_ctx_async(ub, 1);
    ASSERT(e == 0);
    TRY(set_resolvers(ub, config, why));
    TRY(set_anchor(ub, config, why));
    if (config->unbound_config_file.n)
        TRY(set_text(ub, ub_ctx_config, config->unbound_config_file, "resolver options", why));
    return finalise(ub, why);
}

enum err dns_new(struct loop *l, const struct dns_config *config, struct dns **ret, struct why *why)
{
    ASSERT(config->timeout_ms > 0);
    struct ub_ctx *ub = ub_ctx_create();
    ASSERT(ub);
    enum err e = setup(ub, config, why);
    if (e != ERR_OK) {
        ub_ctx_delete(ub);
        return e;
    }
    struct dns *d = NEW(struct dns);
    d->loop = l;
    d->ub = ub;
    d->timeout_ms = config->timeout_ms;
    d->watch = watch_new(l, ub_fd(ub), dns_readable, d);
    defer_init(&d->answer, l, dns_answer_done, d);
    list_init(&d->asked);
    list_init(&d->done);
    list_init(&d->round_end);
    *ret = d;
    return ERR_OK;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    watch_free(d->watch);
    defer_cancel(&d->answer);
    while (!list_empty(&d->done))
        dns_cancel(LIST_ENTRY(d->done.next, struct dns_query, in));
    while (!list_empty(&d->asked))
        dns_cancel(LIST_ENTRY(d->asked.next, struct dns_query, in));
    ub_ctx_delete(d->ub);
    mem_free(d);
}
