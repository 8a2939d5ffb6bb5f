/* The block `fetch`: how HTTP is spoken outwards. The fetcher gets it (fetcher/wire.h). */
#include "gate/config_make.h"

#include "base/when.h"
#include "fetcher/wire.h"

/* "http://proxy.example:3128": without a path, and without a password, which a list of processes or
 * a log might show. */
static enum err read_http_proxy(struct reader *r, const struct setting *s, const struct tree *t,
                                void *to)
{
    struct span url = t->values->text;
    bool right = url.n <= FETCHER_PROXY_MAX && fetch_url_ok(url);
    struct span rest = right ? url : SPAN_NONE;
    (void)span_cut(&rest, '/');
    (void)span_cut(&rest, '/');
    if (!right || span_find(rest, '/') < rest.n)
        return read_wants(r, s, t, NULL, /* it may hold a password */
                          "a URL of http or https with a host and a port, no user and no path");
    return read_string(r, s, t, to);
}

static enum err read_anchors(struct reader *r, const struct setting *s, const struct tree *t,
                             void *to)
{
    static const char begin[] = "-----BEGIN ";
    struct span path, pem;
    TRY(read_path(r, s, t, &path));
    TRY(make_file(make_of(r), t, t->values, path, &pem));
    if (pem.n > FETCHER_CA_MAX || !memmem(pem.p, pem.n, begin, sizeof begin - 1))
        return read_fail(r, t, t->values, "%.*s holds no certificates in PEM",
                         SPAN_ARG(shown(path)));
    *(struct span *)to = arena_span(r->arena, pem);
    return ERR_OK;
}

static const struct setting rows[] = {
    { "proxy", "proxy = \"http://proxy.example:3128\"", .read = read_http_proxy,
      .offset = offsetof(struct fetch_rules, proxy) },
    { "allow_private", "allow_private = no", .read = read_flag,
      .offset = offsetof(struct fetch_rules, allow_private) },
    { "ca", "ca = \"/etc/ssl/certs/ca-certificates.crt\"", .read = read_anchors,
      .offset = offsetof(struct fetch_rules, ca_pem) },
    { "timeout", "timeout = \"30s\"", .read = read_duration,
      .offset = offsetof(struct fetch_rules, timeout_ms), .least = SECOND_MS,
      .most = FETCHER_TIMEOUT_MAX_MS },
};

enum err make_fetch(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const struct settings settings = { "fetch", rows, COUNTOF(rows) };
    (void)s;
    return settings_read(r, t->child, &settings, to);
}
