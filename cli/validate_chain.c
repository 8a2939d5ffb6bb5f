/* What `connector validate` says of certificates: the chain as it came, ours, and what was not
 * looked up. */
#include "cli/validate_chain.h"

#include "base/when.h"
#include "cli/out.h"

#include <string.h>

enum { LINE_MAX_BYTES = 16 * 1024, COLUMN = 12, DAY_BYTES = sizeof "2026-12-31" - 1 };

/* --- facts --- */

static void put_certificate(const struct tls_certificate *x, struct ctl *to)
{
    ctl_set(to, "subject", x->subject);
    ctl_set(to, "issuer", x->issuer);
    ctl_set(to, "names", x->names);
    ctl_set(to, "sha256", x->sha256);
    ctl_set_num(to, "from", x->from_ms);
    ctl_set_num(to, "until", x->until_ms);
}

static bool has_words(struct span text, const char *words)
{
    return text.n > 0 && memmem(text.p, text.n, words, strlen(words)) != NULL;
}

/* The verifier found nobody who signed the last one. */
static bool is_incomplete(const struct tls_facts *f)
{
    return !f->chain_ok &&
           (has_words(f->verify, "local issuer") || has_words(f->verify, "first certificate"));
}

/* Under TLS 1.3 the server judges ours after its own handshake is done: only what comes next tells.
 */
static const char *ours_word(const struct probe_result *r)
{
    if (!r->look.asked)
        return "not asked for";
    if (!r->look.shown)
        return "asked for; none is configured for this connector";
    if (r->step[PROBE_CHANNEL].outcome == PROBE_OK)
        return "asked for, shown, and the server went on with it";
    if (r->step[PROBE_CHANNEL].outcome == PROBE_FAILED)
        return "asked for, shown, and the server broke off behind the handshake";
    return "asked for and shown; what the server makes of it was not waited for";
}

void chain_put(const struct probe_result *r, struct ctl *out)
{
    ctl_array(out, "received");
    for (unsigned i = 0; i < r->look.n_chain; i++)
        put_certificate(&r->look.chain[i], ctl_add(out, "received"));
    ctl_set_num(out, "received_count", r->look.n_received);
    ctl_set_bool(out, "incomplete", is_incomplete(&r->tls));
    ctl_set_bool(out, "certificate_asked", r->look.asked);
    ctl_set_bool(out, "certificate_shown", r->look.shown);
    ctl_set(out, "certificate", span_z(ours_word(r)));
}

const char *revocation_said(enum revocation r)
{
    static const char *const words[] = {
        [REVOCATION_OFF] = "not configured",
        [REVOCATION_SOFT] = "soft; not looked up here: neither CRL nor OCSP was asked",
        [REVOCATION_HARD] = "hard; not looked up here: neither CRL nor OCSP was asked",
    };
    ASSERT((size_t)r < COUNTOF(words));
    return words[r];
}

/* --- for people --- */

static void put_line(const char *label, const struct buf *text, struct buf *out)
{
    buf_putf(out, "  %-*s", COLUMN, label);
    out_clean(buf_span(text), out);
    buf_put(out, SPAN("\n"));
}

static struct span cut(struct span s)
{
    enum { SHOWN = 1000 };
    return span_head(s, s.n < SHOWN ? s.n : SHOWN);
}

static void put_received(const struct ctl *x, size_t i, struct buf *out)
{
    char from[WHEN_BYTES_MAX], until[WHEN_BYTES_MAX];
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    buf_putf(&text, "%zu: ", i + 1);
    buf_put(&text, cut(ctl_get(x, "subject")));
    buf_put(&text, SPAN("; by "));
    buf_put(&text, cut(ctl_get(x, "issuer")));
    buf_putf(&text, "; %.*s to %.*s", (int)DAY_BYTES, when_rfc3339(ctl_get_num(x, "from"), from),
             (int)DAY_BYTES, when_rfc3339(ctl_get_num(x, "until"), until));
    put_line(i == 0 ? "received" : "", &text, out);
    buf_done(&text);
}

void chain_text(const struct ctl *tls, struct buf *out)
{
    size_t n = ctl_count(tls, "received");
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    for (size_t i = 0; i < n; i++)
        put_received(ctl_at(tls, "received", i), i, out);
    if (ctl_get_bool(tls, "incomplete") && n > 0) {
        buf_put(&text, SPAN("incomplete, or of an authority that is not trusted here: nobody has "
                            "the certificate of "));
        buf_put(&text, cut(ctl_get(ctl_at(tls, "received", n - 1), "issuer")));
        put_line("", &text, out);
        buf_clear(&text);
    }
    buf_put(&text, cut(ctl_get(tls, "certificate")));
    put_line("our own", &text, out);
    buf_done(&text);
}
