/* postern cert endpoints: can this machine ask whom the certificates name? (R35-R38) */
#include "cli/cert_file.h"
#include "cli/cert_text.h"
#include "cli/fetch_daemon.h"

#include "cert/endpoints.h"

enum { TIMEOUT_SECONDS = 30, DAEMON_TIMEOUT_MS = 50 * 1000 };

/* One run of the command. */
struct run {
    const struct cli *c;
    struct arena arena;
    struct cert_chain chain, store;
    struct endpoint_list list;
    struct ask *daemon; /* NULL: asked from here */
};

static void fetch_here(void *arg, const struct fetch_request *request, struct buf *body,
                       struct fetch_result *ret)
{
    (void)arg;
    fetch(request, body, ret);
}

static const char *asked_from(const struct run *r)
{
    return r->daemon ? "the daemon: its user, proxy and rules" : "here, not from the daemon";
}

/* --- text --- */

static const char *cell(const struct endpoint *e, enum endpoint_phase p)
{
    if (p == PHASE_STATUS && e->revoked)
        return "REVOKED";
    static const char *const words[] = { [VERDICT_NOT_TRIED] = "?",
                                         [VERDICT_OK] = "ok",
                                         [VERDICT_FAILED] = "FAILED",
                                         [VERDICT_NOT_NEEDED] = "-" };
    return words[e->verdict[p]];
}

static void put_row(struct table *t, const struct endpoint *e)
{
    table_add(t, span_z(endpoint_kind_name(e->kind)));
    for (unsigned p = PHASE_DNS; p < PHASE_COUNT_; p++)
        table_add(t, span_z(cell(e, (enum endpoint_phase)p)));
    table_add(t, e->cert ? cert_title(e->cert) : SPAN("-"));
    table_add(t, e->url);
}

/* Hosts and ports that a firewall has to let through. */
static bool is_first_of_host(const struct endpoint_list *l, unsigned at)
{
    for (unsigned i = 0; i < at; i++)
        if (span_eq_nocase(fetch_url_host(l->item[i].url), fetch_url_host(l->item[at].url)) &&
            span_eq(fetch_url_port(l->item[i].url), fetch_url_port(l->item[at].url)))
            return false;
    return fetch_url_host(l->item[at].url).n > 0;
}

static void put_hosts(const struct endpoint_list *l, struct buf *out)
{
    const char *before = "to be allowed in firewalls: ";
    for (unsigned i = 0; i < l->n; i++) {
        if (!is_first_of_host(l, i))
            continue;
        buf_put(out, span_z(before));
        out_clean(fetch_url_host(l->item[i].url), out);
        buf_put(out, SPAN(" port "));
        out_clean(fetch_url_port(l->item[i].url), out);
        before = ", ";
    }
    buf_put(out, before[0] == ',' ? SPAN("\n") : SPAN_NONE);
}

static void put_notes(const struct run *r, struct buf *out)
{
    char until[DATE_TEXT_MAX];
    for (unsigned i = 0; i < r->list.n; i++) {
        const struct endpoint *e = &r->list.item[i];
        if (e->failed == PHASE_COUNT_)
            continue;
        out_clean(e->url, out);
        buf_putf(out, "\n  %s: ", endpoint_phase_name(e->failed));
        out_clean(span_z(e->note), out);
        if (e->failed == PHASE_FRESHNESS && e->next_ms > 0)
            buf_putf(out, " (it ended %s)", date_text(e->next_ms, until));
        buf_put(out, SPAN("\n"));
    }
    if (r->list.without) {
        buf_put(out, SPAN("`"));
        out_clean(cert_title(r->list.without), out);
        buf_put(out, SPAN("` names neither OCSP nor a revocation list: nobody can be asked about "
                          "it\n"));
    }
    if (r->list.more)
        buf_putf(out, "more than %d addresses: the others were not looked at\n", ENDPOINTS_MAX);
}

static void put_text(const struct run *r, struct buf *out)
{
    static const char *const head[] = { "KIND",   "DNS",         "TCP",    "TLS",
                                        "HTTP",   "CONTENT",     "SIGNED", "FRESH",
                                        "STATUS", "CERTIFICATE", "URL" };
    struct table t;
    STATIC_ASSERT(COUNTOF(head) == PHASE_COUNT_ + 2);
    table_init(&t, head, COUNTOF(head));
    for (unsigned i = 0; i < r->list.n; i++)
        put_row(&t, &r->list.item[i]);
    table_print(&t, "", out);
    table_done(&t);
    put_notes(r, out);
    put_hosts(&r->list, out);
    if (r->list.n == 0) {
        buf_put(out, SPAN("no address is named that could be asked\n"));
        return;
    }
    buf_putf(out, "asked from %s\n", asked_from(r));
    buf_putf(out, "%u of %u well%s\n", r->list.n - r->list.n_failed, r->list.n,
             r->list.n_revoked > 0 ? "; REVOKED" : "");
}

/* --- JSON --- */

static void put_json(const struct endpoint *e, struct ctl *to)
{
    ctl_set(to, "kind", span_z(endpoint_kind_name(e->kind)));
    ctl_set(to, "url", e->url);
    ctl_set(to, "host", fetch_url_host(e->url));
    ctl_set(to, "port", fetch_url_port(e->url));
    ctl_set(to, "certificate", e->cert ? cert_title(e->cert) : SPAN_NONE);
    struct ctl *phases = ctl_object(to, "phases");
    for (unsigned p = 0; p < PHASE_COUNT_; p++)
        ctl_set(phases, endpoint_phase_name((enum endpoint_phase)p),
                span_z(endpoint_verdict_name(e->verdict[p])));
    ctl_set_bool(to, "ok", e->failed == PHASE_COUNT_);
    if (e->failed != PHASE_COUNT_)
        ctl_set(to, "failed", span_z(endpoint_phase_name(e->failed)));
    ctl_set_bool(to, "revoked", e->revoked);
    ctl_set(to, "note", span_z(e->note));
    ctl_set(to, "address", span_z(e->address));
    ctl_set_num(to, "http_status", e->http_status);
    ctl_set_num(to, "bytes", (int64_t)e->bytes);
    ctl_set_num(to, "took", e->took_ms);
    ctl_set_num(to, "this_update", e->this_ms);
    ctl_set_num(to, "next_update", e->next_ms);
}

static enum cli_exit show_json(const struct run *r, enum cli_exit code)
{
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", code == CLI_OK);
    ctl_set(out, "asked_from", r->daemon ? SPAN("daemon") : SPAN("here"));
    ctl_set_num(out, "failed", r->list.n_failed);
    ctl_set_num(out, "revoked", r->list.n_revoked);
    ctl_array(out, "endpoints");
    for (unsigned i = 0; i < r->list.n; i++)
        put_json(&r->list.item[i], ctl_add(out, "endpoints"));
    if (r->list.without)
        ctl_set(out, "without", cert_title(r->list.without));
    code = cli_json(out, code);
    ctl_free(out);
    return code;
}

/* --- the command --- */

static enum cli_exit show(const struct run *r)
{
    struct buf text;
    enum cli_exit code = r->list.n_failed > 0 || r->list.n == 0 ? CLI_FAILED : CLI_OK;
    if (r->list.n_revoked > 0)
        code = CLI_REVOKED;
    if (r->c->args->json)
        return show_json(r, code);
    buf_init(&text, OUT_BYTES_MAX);
    put_text(r, &text);
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

/* A store that cannot be read is no hindrance: the chain may have all issuers. */
static enum err gather(struct run *r, struct why *why)
{
    const struct args *a = r->c->args;
    struct why store_why;
    if (a->host.n > 0 || a->cert.n > 0)
        TRY(cert_file_chain(a, a->cert, &r->arena, &r->chain, why));
    enum err e = cert_file_store(a, &r->arena, &r->store, &store_why);
    if (e == ERR_OK || a->store.n == 0)
        return ERR_OK;
    *why = store_why;
    return e;
}

/* By its socket, when one runs and nothing says otherwise: --proxy and --allow-private are rules of
 * this process, not of the daemon's. */
static void find_daemon(struct run *r)
{
    const struct args *a = r->c->args;
    struct why why;
    if (a->here || a->proxy.n > 0 || a->allow_private)
        return;
    char *run = cli_run(r->c);
    r->daemon = NEW(struct ask);
    if (ask_open(r->daemon, run, &why) != ERR_OK || r->daemon->n_worker == 0) {
        ask_close(r->daemon);
        mem_free(r->daemon);
        r->daemon = NULL;
    }
    mem_free(run);
}

static enum cli_exit run_check(struct run *r)
{
    const struct args *a = r->c->args;
    struct why why = { "" };
    if (gather(r, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_FAILED;
    }
    find_daemon(r);
    struct endpoint_check check = {
        .chain = r->chain.n > 0 ? &r->chain : NULL,
        .store = &r->store,
        .url = a->url,
        .rules = cert_file_rules(a, TIMEOUT_SECONDS),
        .now_ms = r->c->now_ms,
        .arena = &r->arena,
        .fetch = r->daemon ? fetch_daemon : fetch_here,
        .arg = r->daemon ? &r->daemon->worker[0] : NULL,
    };
    if (r->daemon && check.rules.timeout_ms > DAEMON_TIMEOUT_MS)
        check.rules.timeout_ms = DAEMON_TIMEOUT_MS;
    endpoints_check(&check, &r->list);
    return show(r);
}

enum cli_exit cmd_cert_endpoints(const struct cli *c)
{
    const struct args *a = c->args;
    struct run r = { .c = c };
    if (a->n_word > 0)
        return cli_usage(
            "cert endpoints takes no words: --host, --cert or --url say what to check");
    if (a->host.n == 0 && a->cert.n == 0 && a->url.n == 0)
        return cli_usage("cert endpoints wants --host HOST[:PORT], --cert FILE or --url URL");
    if (a->host.n > 0 && a->cert.n > 0)
        return cli_usage("--host and --cert are two chains: name one of them");
    arena_init(&r.arena, CERT_ARENA_MAX);
    enum cli_exit code = run_check(&r);
    if (r.daemon)
        ask_close(r.daemon);
    mem_free(r.daemon);
    arena_done(&r.arena);
    return code;
}
