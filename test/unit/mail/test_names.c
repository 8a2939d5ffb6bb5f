#include "mail/names.h"
#include "test/test.h"

#include <string.h>

static const struct {
    const char *expected, *presented;
    bool match;
} rows[] = {
    /* the table of names.h */
    { "mail.example.org", "mail.example.org", 1 },
    { "mail.example.org", "*.example.org", 1 },
    { "a.b.example.org", "*.example.org", 0 },
    { "*.example.org", "mail.example.org", 1 },
    { "*.example.org", "a.b.example.org", 1 },
    { "*.example.org", "example.org", 0 },
    { "*.example.org", "*.example.org", 1 },
    { "mail.example.org", "mail.*.org", 0 },
    { "mail.example.org", "m*.example.org", 0 },
    { "mail.example.org", "*l.example.org", 0 },
    { "example.org", "*.org", 0 },
    /* case and trailing dot */
    { "MAIL.example.ORG", "mail.EXAMPLE.org", 1 },
    { "mail.example.org.", "mail.example.org", 1 },
    { "mail.example.org", "mail.example.org.", 1 },
    { "mail.example.org", "*.example.org.", 1 },
    { "*.example.org.", "mail.example.org", 1 },
    { "mail.example.org", "mail.example.org..", 0 },
    { "mail.example.org..", "mail.example.org", 0 },
    /* wildcards against wildcards */
    { "*.example.org", "*.b.example.org", 1 },
    { "*.b.example.org", "*.example.org", 0 },
    { "*.example.org", "*.xexample.org", 0 },
    /* whole labels */
    { "*.example.org", "mail.xexample.org", 0 },
    { "*.example.org", ".example.org", 0 },
    { "*.example.org", "..example.org", 0 },
    { "*.example.org", "a..example.org", 0 },
    { "mail.example.org", "mail.example.org.evil.example", 0 },
    { "mail.example.org", "xmail.example.org", 0 },
    { "example.org", "*.example.org", 0 },
    { "mail.example.org", "*.mail.example.org", 0 },
    { "mail.example.org", "*.*.org", 0 },
    { "a.mail.example.org", "*.*.example.org", 0 },
    { "mail.example.org", "*", 0 },
    { "mail.example.org", "*.", 0 },
    { "mail.example.org", "", 0 },
    { "mail.example.org", ".", 0 },
    /* an expected name that says too much matches nothing */
    { "", "", 0 },
    { ".", ".", 0 },
    { "*", "mail.example.org", 0 },
    { "*", "*", 0 },
    { "*.org", "mail.org", 0 },
    { "*.org", "example.org", 0 },
    { "m*.example.org", "mail.example.org", 0 },
    { "m*.example.org", "m*.example.org", 0 },
    /* IDN: A-labels are letters like others */
    { "xn--mnchen-3ya.example", "XN--MNCHEN-3YA.example", 1 },
    { "xn--mnchen-3ya.example", "m\xc3\xbcnchen.example", 0 },
    { "xn--mnchen-3ya.example.org", "*.example.org", 1 },
    /* other bytes */
    { "mail.example.org", "mail.example.org ", 0 },
    { "mail.example.org", " mail.example.org", 0 },
    { "*.example.org", "a b.example.org", 0 },
    { "*.example.org", "a@b.example.org", 0 },
    { "localhost", "localhost", 1 },
    { "_x.example.org", "*.example.org", 1 },
};

TEST(t20_names_table)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].presented);
        CHECK_NUM(name_matches(span_z(rows[i].expected), span_z(rows[i].presented)), rows[i].match);
    }
}

TEST(t20_a_nul_in_a_name_matches_nothing)
{
    CHECK(!name_matches(SPAN("mail.example.org"), SPAN("mail.example.org\0.evil.example")));
    CHECK(!name_matches(SPAN("*.example.org"), SPAN("evil.example\0.example.org")));
    CHECK(!name_matches(SPAN("mail.example.org"), SPAN("mail.example.org\0")));
}

TEST(t20_names_that_are_too_long_match_nothing)
{
    char text[600];
    memset(text, 'a', sizeof text);
    for (size_t i = 50; i < sizeof text; i += 50)
        text[i] = '.';
    CHECK(name_matches(span_of(text, 255), span_of(text, 255)));
    CHECK(!name_matches(span_of(text, 256), span_of(text, 256)));
}

TEST(r24_one_of_the_expected_names_is_enough)
{
    struct span names[] = { SPAN("mx.lab.example"), SPAN("*.post.lab.example") };
    struct name_set set = { .id = 1, .n = COUNTOF(names), .name = names };
    CHECK(names_match(&set, SPAN("mx.lab.example")));
    CHECK(names_match(&set, SPAN("www.lab.example,MX.lab.example.")));
    CHECK(names_match(&set, SPAN("www.lab.example,a.b.post.lab.example")));
    CHECK(names_match(&set, SPAN("*.lab.example")));
    CHECK(!names_match(&set, SPAN("www.lab.example,post.lab.example")));
    CHECK(!names_match(&set, SPAN("mx.lab.example.evil.example")));
    CHECK(!names_match(&set, SPAN("")));
    CHECK(!names_match(&set, SPAN(",,,")));
    CHECK(!names_match(&set, SPAN("mx.lab.example www.lab.example")));
    CHECK(names_match(&set, SPAN(",mx.lab.example")));
    CHECK(!names_match(&(struct name_set){ 0 }, SPAN("mx.lab.example")));
}

TEST(expected_names_that_configuration_may_write)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        { "mail.example.org", 1 },
        { "mail.example.org.", 1 },
        { "localhost", 1 },
        { "*.example.org", 1 },
        { "*.b.example.org", 1 },
        { "xn--mnchen-3ya.example", 1 },
        { "", 0 },
        { "*", 0 },
        { "*.", 0 },
        { "*.org", 0 },
        { "*.*.org", 0 },
        { "m*.example.org", 0 },
        { "mail.*.org", 0 },
        { "a..b", 0 },
        { ".a.b", 0 },
        { "a.b..", 0 },
        { "-a.example", 0 },
        { "a-.example", 0 },
        { "m\xc3\xbcnchen.example", 0 },
        { "192.0.2.1", 0 },
        { "[192.0.2.1]", 0 },
        { "2001:db8::1", 0 },
        { "a b.example", 0 },
        { "a,b.example", 0 },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        test_case(cases[i].name);
        CHECK_NUM(name_expected_valid(span_z(cases[i].name)), cases[i].valid);
    }
}

/* --- laws over all short names: a name stands for the set of hosts that it takes in */

enum { HOSTS = 3 + 9 + 27 };

/* Number i of the hosts of one to three labels out of a, b, c. */
static struct span host_at(unsigned i, char ret[static 8])
{
    unsigned labels = 1;
    for (unsigned all = 3; i >= all; all *= 3, labels++)
        i -= all;
    size_t n = 0;
    for (unsigned k = 0; k < labels; k++, i /= 3) {
        if (k > 0)
            ret[n++] = '.';
        ret[n++] = "abc"[i % 3];
    }
    return span_of(ret, n);
}

static unsigned dots(struct span s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '.';
    return n;
}

/* In words: a presented wildcard stands for hosts of one label more; an expected one for all
 * below; they match when a host is in both. */
static bool oracle(struct span e, bool e_wild, struct span p, bool p_wild)
{
    bool below = p.n > e.n && span_ends_nocase(p, e) && p.p[p.n - e.n - 1] == '.';
    if ((e_wild && dots(e) == 0) || (p_wild && dots(p) == 0))
        return false;
    if (e_wild)
        return below || (p_wild && span_eq(e, p));
    if (!p_wild)
        return span_eq(e, p);
    return e.n > 2 && span_eq(span_tail(e, 2), p);
}

TEST(t20_all_short_names_against_all)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4 * HOSTS * HOSTS; i++) {
        char a[8], b[8], ea[16] = "*.", pa[16] = "*.";
        bool e_wild = i % 2, p_wild = i / 2 % 2;
        struct span e = host_at(i / 4 % HOSTS, a), p = host_at(i / 4 / HOSTS, b);
        memcpy(ea + 2, e.p, e.n);
        memcpy(pa + 2, p.p, p.n);
        struct span expected = e_wild ? span_of(ea, e.n + 2) : e;
        struct span presented = p_wild ? span_of(pa, p.n + 2) : p;
        CHECK_NUM(name_matches(expected, presented), oracle(e, e_wild, p, p_wild));
        n++;
    }
    CHECK_NUM(n, 4 * HOSTS * HOSTS);
}
