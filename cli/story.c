#include "cli/story.h"

#include "base/when.h"
#include "cli/out.h"
#include "mail/text.h"

enum { WORDS_MAX = 2000, NAMES_MAX = 120, PAIR_MAX = 2 * 4000 };

/* --- pieces --- */

static void put_words(struct span s, size_t most, struct buf *out)
{
    struct span shown = text_cut(s, most);
    out_clean(shown, out);
    if (shown.n < s.n)
        buf_put(out, SPAN("..."));
}

static bool has(const struct ctl *line, const char *key)
{
    return ctl_get(line, key).n > 0;
}

static bool is_yes(const struct ctl *line, const char *key)
{
    return span_eq(ctl_get(line, key), SPAN("yes"));
}

/* "what VALUE", when there is one. */
static void put_key(const char *what, const struct ctl *line, const char *key, struct buf *out)
{
    if (!has(line, key))
        return;
    buf_put(out, span_z(what));
    put_words(ctl_get(line, key), WORDS_MAX, out);
}

static void put_address(const char *what, struct span address, struct buf *out)
{
    buf_put(out, span_z(what));
    buf_put(out, SPAN("<"));
    put_words(address, WORDS_MAX, out);
    buf_put(out, SPAN(">"));
}

/* --- the channel --- */

static void put_certificate(const struct ctl *facts, struct buf *out)
{
    if (!is_yes(facts, "cert"))
        return;
    buf_put(out, SPAN(", certificate of "));
    put_words(has(facts, "names") ? ctl_get(facts, "names") : SPAN("nobody"), NAMES_MAX, out);
    if (!is_yes(facts, "chain"))
        put_key(" not trusted: ", facts, "verify", out);
    else
        buf_put(out, is_yes(facts, "name") ? SPAN(" trusted, names the host") : SPAN(" trusted"));
}

void story_tls(const struct ctl *facts, struct buf *out)
{
    if (!has(facts, "tls") || span_eq(ctl_get(facts, "tls"), SPAN("none"))) {
        buf_put(out, SPAN("none"));
        return;
    }
    put_words(ctl_get(facts, "tls"), WORDS_MAX, out);
    put_key(" ", facts, "suite", out);
    put_key(" ", facts, "group", out);
    buf_put(out, is_yes(facts, "fs") ? SPAN(", forward secret") : SPAN(", no forward secrecy"));
    if (is_yes(facts, "resumed"))
        buf_put(out, SPAN(", resumed"));
    put_certificate(facts, out);
}

static void put_channel(const struct ctl *line, struct buf *out)
{
    if (!has(line, "tls"))
        return;
    if (span_eq(ctl_get(line, "tls"), SPAN("none"))) {
        buf_put(out, SPAN(" in clear"));
        return;
    }
    buf_put(out, SPAN(" over "));
    story_tls(line, out);
}

/* --- events --- */

static void put_accepted(const struct ctl *line, struct buf *out)
{
    char count[OUT_TEXT_MAX], size[OUT_TEXT_MAX];
    put_address("accepted from ", ctl_get(line, "from"), out);
    put_address(" for ", ctl_get(line, "to"), out);
    buf_putf(out, " (%s, %s)", out_count(ctl_get_num(line, "rcpts"), "recipient", count),
             out_size((uint64_t)ctl_get_num(line, "bytes"), size));
    put_key(" by ", line, "client", out);
    put_key(" helo ", line, "helo", out);
    put_channel(line, out);
    if (is_yes(line, "requiretls"))
        buf_put(out, SPAN(", REQUIRETLS"));
    if (has(line, "tls-required"))
        buf_put(out, SPAN(", TLS-Required: No"));
    put_key(", Message-ID ", line, "message-id", out);
}

static void put_host(const struct ctl *line, struct buf *out)
{
    put_key(" at ", line, "host", out);
    put_key(" ", line, "ip", out);
    if (has(line, "ip"))
        put_channel(line, out);
}

/* delivered, deferred, bounced, expired */
static void put_attempt(const struct ctl *line, struct buf *out)
{
    char took[WHEN_BYTES_MAX], next[OUT_TEXT_MAX];
    put_words(ctl_get(line, "event"), WORDS_MAX, out);
    put_address(" ", ctl_get(line, "to"), out);
    put_host(line, out);
    put_key(": ", line, "reply", out);
    buf_putf(out, " (attempt %lld, took %s", (long long)ctl_get_num(line, "attempt"),
             when_span(ctl_get_num(line, "took_ms"), took));
    put_key(", ended in ", line, "stage", out);
    if (ctl_has(line, "next"))
        buf_putf(out, ", next %s", out_time(ctl_get_num(line, "next"), next));
    buf_put(out, SPAN(")"));
    put_key("; contract ", line, "contract", out);
    put_key("; ", line, "channel", out);
}

static void put_notification(const struct ctl *line, struct buf *out)
{
    put_address("notification to ", ctl_get(line, "to"), out);
    put_key(" about ", line, "about", out);
}

static void put_change(const struct ctl *line, struct buf *out)
{
    char count[OUT_TEXT_MAX];
    put_words(ctl_get(line, "event"), WORDS_MAX, out);
    put_key(" by ", line, "by", out);
    put_key(" to ", line, "route", out);
    buf_putf(out, ": %s", out_count(ctl_get_num(line, "rcpts"), "recipient", count));
    put_address(" ", ctl_get(line, "to"), out);
}

/* As it is, but for what stands in its head. */
static void put_unknown(const struct ctl *line, struct buf *out)
{
    void *it = NULL;
    const char *key;
    struct buf value;
    buf_init(&value, PAIR_MAX);
    put_words(has(line, "event") ? ctl_get(line, "event") : SPAN("?"), WORDS_MAX, out);
    while (out->n < STORY_MAX / 2 && ctl_each(line, &it, &key, &value)) {
        struct span k = span_z(key);
        if (span_eq(k, SPAN("event")) || span_eq(k, SPAN("time")) || span_eq(k, SPAN("id")))
            continue;
        buf_put(out, SPAN(" "));
        put_words(k, NAMES_MAX, out);
        buf_put(out, SPAN("="));
        put_words(buf_span(&value), WORDS_MAX, out);
    }
    buf_done(&value);
}

static const struct {
    const char *event;
    void (*put)(const struct ctl *line, struct buf *out);
} events[] = {
    { "accepted", put_accepted }, { "delivered", put_attempt },
    { "deferred", put_attempt },  { "bounced", put_attempt },
    { "expired", put_attempt },   { "notification", put_notification },
    { "held", put_change },       { "released", put_change },
    { "dropped", put_change },    { "retried", put_change },
    { "rerouted", put_change },
};

void story_print(const struct ctl *line, struct buf *out)
{
    for (size_t i = 0; i < COUNTOF(events); i++) {
        if (!span_eq(ctl_get(line, "event"), span_z(events[i].event)))
            continue;
        events[i].put(line, out);
        return;
    }
    put_unknown(line, out);
}
