#include "gate/restart.h"

struct span maildir_root(struct span pattern)
{
    size_t brace = span_find(pattern, '{');
    struct span head = span_head(pattern, brace);
    size_t slash = span_rfind(head, '/');
    return span_head(head, slash < head.n ? slash : 0);
}

static bool same_listen(const struct config *a, const struct config *b)
{
    bool same = a->n_listen == b->n_listen;
    for (unsigned i = 0; same && i < a->n_listen; i++)
        same = ip_eq(&a->listen[i].ip, &b->listen[i].ip);
    return same;
}

static bool same_data(const struct config *a, const struct config *b)
{
    return span_eq(a->data, b->data);
}

static bool same_run(const struct config *a, const struct config *b)
{
    return span_eq(a->run, b->run);
}

static bool same_user(const struct config *a, const struct config *b)
{
    return span_eq(a->user, b->user);
}

static bool same_workers(const struct config *a, const struct config *b)
{
    return a->workers == b->workers;
}

static bool same_metrics(const struct config *a, const struct config *b)
{
    return ip_eq(&a->metrics, &b->metrics);
}

static bool same_dns(const struct config *a, const struct config *b)
{
    const struct dns_config *x = &a->dns, *y = &b->dns;
    bool same = x->n_resolver == y->n_resolver && x->timeout_ms == y->timeout_ms &&
                span_eq(x->trust_anchor_file, y->trust_anchor_file) &&
                span_eq(x->unbound_config_file, y->unbound_config_file) &&
                span_eq(x->probe, y->probe);
    for (unsigned i = 0; same && i < x->n_resolver; i++)
        same = span_eq(x->resolver[i], y->resolver[i]);
    return same;
}

static bool has_root(const struct config *c, struct span root)
{
    for (unsigned i = 0; i < c->routes.n_route; i++) {
        struct span has = maildir_root(c->routes.route[i].maildir);
        bool below = has.n > 0 && span_starts(root, has);
        if (below && (root.n == has.n || root.p[has.n] == '/'))
            return true;
    }
    return false;
}

/* The first Maildir folder that running workers, who were given theirs for good, do not have. */
static struct span new_root(const struct config *running, const struct config *next)
{
    for (unsigned i = 0; i < next->routes.n_route; i++) {
        struct span root = maildir_root(next->routes.route[i].maildir);
        if (root.n > 0 && !has_root(running, root))
            return root;
    }
    return SPAN_NONE;
}

static bool same_maildirs(const struct config *running, const struct config *next)
{
    return new_root(running, next).n == 0;
}

static const struct {
    const char *name;
    bool (*same)(const struct config *running, const struct config *next);
} table[] = {
    { "listen", same_listen },    { "data", same_data },       { "run", same_run },
    { "user", same_user },        { "workers", same_workers }, { "metrics", same_metrics },
    { "maildir", same_maildirs }, { "dns", same_dns },
};

const char *restart_setting(unsigned i)
{
    return i < COUNTOF(table) ? table[i].name : NULL;
}

enum err restart_check(const struct config *running, const struct config *next, struct why *why)
{
    for (size_t i = 0; i < COUNTOF(table); i++) {
        if (table[i].same(running, next))
            continue;
        struct span root = new_root(running, next);
        if (table[i].same == same_maildirs)
            why_set(why, "`maildir`: the folder %.*s is new: restart posternd for that",
                    SPAN_ARG(root));
        else
            why_set(why, "`%s` changed: restart posternd for that", table[i].name);
        return ERR_REFUSED;
    }
    return ERR_OK;
}
