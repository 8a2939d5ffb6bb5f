#include "base/why.h"
#include "gate/config_make.h"
#include "policy/lint.h"

/* What policy/lint.h finds, as sentences for the log: no more of them than people read. */

enum { WARNINGS_MAX = 50 };

void config_lint(const struct config *c, int64_t now_ms, struct lint *ret)
{
    struct lint_input in = {
        .org = c->org,
        .n_org = c->n_org,
        .server_certificate = c->tls_server != NULL,
        .now_ms = now_ms,
    };
    lint_run(&in, ret);
}

static void tell(const struct lint_finding *f, config_warning_fn *fn, void *arg)
{
    struct why text;
    const struct connector *c = f->at;
    why_set(&text, "connector %.*s (%.*s:%d): %.*s; %.*s", SPAN_ARG(c->id), SPAN_ARG(c->file),
            c->line, SPAN_ARG(f->text), SPAN_ARG(f->remedy));
    fn(arg, text.text);
}

static void tell_rest(uint64_t n, config_warning_fn *fn, void *arg)
{
    struct why text;
    if (n <= WARNINGS_MAX)
        return;
    why_set(&text, "%llu more warnings about connectors", (unsigned long long)n - WARNINGS_MAX);
    fn(arg, text.text);
}

void make_org_warnings(const struct config *c, config_warning_fn *fn, void *arg)
{
    struct lint lint;
    uint64_t n = 0;
    config_lint(c, 0, &lint);
    for (size_t i = 0; i < lint.n && i < WARNINGS_MAX; i++)
        tell(&lint.finding[i], fn, arg);
    for (size_t i = 0; i < COUNTOF(lint.count); i++)
        n += lint.count[i];
    tell_rest(n, fn, arg);
    lint_done(&lint);
}

void config_lapsed(const struct config *c, int64_t now_ms, config_warning_fn *fn, void *arg)
{
    struct lint lint;
    uint64_t n = 0;
    config_lint(c, now_ms, &lint);
    for (size_t i = 0; i < lint.n; i++)
        if (lint.finding[i].rule == LINT_LAPSED && n++ < WARNINGS_MAX)
            tell(&lint.finding[i], fn, arg);
    tell_rest(n, fn, arg);
    lint_done(&lint);
}
