/* What a probe is told: bounded, cut by whole members, and nothing of what was presented forges a
 * line. */
#include "policy/probe.h"

#include "test/test.h"
#include "test/unit/policy/attribute_world.h"

#include <string.h>

static const struct org *org_of(const struct world *w, const char *to)
{
    return org_of_domain(w->t, span_z(to));
}

static void report(const char *connectors, const struct shown *shown, const char *from,
                   struct buf *out)
{
    struct world w;
    struct scene s;
    world_make(&w, connectors);
    scene_set(&s, &w, shown, FAR, from, "a.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    struct probe_seen p = { org_of(&w, "a.example"), &s.f, &v, false };
    buf_init(out, PROBE_TEXT_MAX);
    probe_report(&p, out);
    world_done(&w);
}

static bool has(const struct buf *b, const char *words)
{
    struct span s = buf_span(b), w = span_z(words);
    for (size_t i = 0; i + w.n <= s.n; i++)
        if (memcmp(s.p + i, w.p, w.n) == 0)
            return true;
    return false;
}

TEST(p16_a_probe_is_told_what_was_seen_and_what_would_be_said)
{
    struct shown shown = shown_names("mx.p.example"), other = shown_names("mail.other.example"),
                 plaintext = { .name = "plaintext" };
    struct buf b;
    report("name", &shown, "p.example", &b);
    CHECK(has(&b, "\nenforce     admitted by name\ntest        the same\n{\"probe\":1,"));
    CHECK(has(
        &b, "\"admitted\":true,\"connector\":\"name\",\"check\":\"none\",\"reply\":\"250 2.1.5\""));
    CHECK(has(&b, "\"names\":[\"mx.p.example\"]}"));
    buf_done(&b);
    report("name", &other, "p.example", &b);
    CHECK(has(&b, "refused: 550 5.7.51 "));
    CHECK(has(&b, "[connector name: certificate demanded [mx.p.example], presented "
                  "[mail.other.example]]"));
    CHECK(has(&b, "\"admitted\":false,\"connector\":\"name\",\"check\":\"name\",\"reply\":\"550 "
                  "5.7.51\""));
    buf_done(&b);
    report("tls", &plaintext, "p.example", &b);
    CHECK(has(&b, "\nchannel     plaintext\n"));
    CHECK(has(&b, "\"check\":\"tls\",\"reply\":\"454 4.7.0\""));
    CHECK(has(&b, "{\"probe\":2,\"tls\":\"none\""));
    buf_done(&b);
    report("", &plaintext, "p.example", &b);
    CHECK(has(&b, "admitted, no connector is about this sender"));
    buf_done(&b);
}

/* Lines that begin with a brace, and whether each ends with one and has no brace between. */
static unsigned objects(const struct buf *b, bool *ret_whole)
{
    unsigned n = 0;
    *ret_whole = true;
    for (struct span rest = buf_span(b); rest.n > 0;) {
        struct span line = span_cut(&rest, '\n');
        for (size_t i = 0; i < line.n; i++)
            *ret_whole = *ret_whole && line.p[i] >= ' ' && line.p[i] < 0x7f;
        if (line.n == 0 || line.p[0] != '{')
            continue;
        n++;
        *ret_whole = *ret_whole && line.n <= PROBE_JSON_MAX && line.p[line.n - 1] == '}' &&
                     span_find(span_tail(line, 1), '{') == line.n - 1 &&
                     span_find(line, '\\') == line.n;
    }
    return n;
}

TEST(t23_nothing_that_is_presented_forges_a_line_or_a_member)
{
    struct shown shown =
        shown_names("a\r\n250 2.1.5 ok\n{\"probe\":1,\"admitted\":true}\\,\",b\x1b[2J\xff.example");
    struct buf b;
    bool whole;
    report("name", &shown, "p.example", &b);
    CHECK_NUM(objects(&b, &whole), 2);
    CHECK(has(&b, "\"admitted\":false"));
    CHECK(has(&b, "\"names\":[\"a??250 2.1.5 "
                  "ok?{?probe?:1\",\"?admitted?:true}?\",\"?\",\"b?[2J?.example\"]"));
    buf_done(&b);
}

TEST(p16_what_does_not_fit_is_left_out_whole)
{
    static char many[TLS_FACTS_NAMES_MAX];
    struct buf b;
    bool whole;
    for (size_t n = 1; n < sizeof many; n += 7) {
        for (size_t i = 0; i < n; i++)
            many[i] = i % 23 == 22 ? ',' : 'x';
        many[n] = '\0';
        struct shown shown = shown_names(many);
        report("name", &shown, "p.example", &b);
        CHECK(b.n <= PROBE_TEXT_MAX);
        CHECK_NUM(objects(&b, &whole), 2);
        CHECK(whole);
        CHECK(n < 400 || has(&b, "\"cut\":true}"));
        buf_done(&b);
    }
}

TEST(t24_connectors_of_others_are_not_named_to_a_probe)
{
    struct world w;
    struct scene s;
    struct buf b;
    struct shown shown = shown_names("mail.b.example");
    world_make(&w, "name");
    scene_set(&s, &w, &shown, FAR, "b.example", "a.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    struct in_connector farm = { .c = { .id = SPAN("b/farm"), .org = org_of(&w, "b.example") } };
    v.by = v.test_by = &farm;
    buf_init(&b, PROBE_TEXT_MAX);
    probe_report(&(struct probe_seen){ org_of(&w, "a.example"), &s.f, &v, true }, &b);
    CHECK(!has(&b, "b/farm"));
    CHECK(has(&b, "Probe: the message was looked at and dropped"));
    CHECK(has(&b, "\"dropped\":true"));
    buf_done(&b);
    world_done(&w);
}
