/* A name is taken apart once: is it a wildcard, and what follows. The rest is comparing. */
#include "mail/names.h"

#include "mail/addr.h"
#include "mail/ip.h"

struct host {
    struct span name; /* of a wildcard: what follows "*." */
    bool wild;
};

static struct span without_dot(struct span s)
{
    return s.n > 0 && s.p[s.n - 1] == '.' ? span_head(s, s.n - 1) : s;
}

/* Letters, digits, '-', '_' in labels that are not empty: no other '*', no blank, no NUL. */
static bool labels_fine(struct span s)
{
    char last = '.';
    if (s.n > DOMAIN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!word && (c != '.' || last == '.'))
            return false;
        last = c;
    }
    return last != '.';
}

/* False: nothing is named so. */
static bool host_read(struct span s, struct host *ret)
{
    s = without_dot(s);
    bool wild = span_starts(s, SPAN("*."));
    if (wild)
        s = span_tail(s, 2);
    if (!labels_fine(s) || (wild && span_find(s, '.') == s.n))
        return false;
    *ret = (struct host){ s, wild };
    return true;
}

static bool is_below(struct span suffix, struct span name)
{
    return name.n > suffix.n + 1 && name.p[name.n - suffix.n - 1] == '.' &&
           span_ends_nocase(name, suffix);
}

static bool host_matches(const struct host *expected, const struct host *presented)
{
    struct span rest = expected->name;
    if (expected->wild)
        return is_below(rest, presented->name) ||
               (presented->wild && span_eq_nocase(rest, presented->name));
    if (presented->wild)
        span_cut(&rest, '.');
    return span_eq_nocase(rest, presented->name);
}

bool name_matches(struct span expected, struct span presented)
{
    struct host e, p;
    return host_read(expected, &e) && host_read(presented, &p) && host_matches(&e, &p);
}

bool names_match(const struct name_set *expected, struct span presented)
{
    while (presented.n > 0) {
        struct span one = span_cut(&presented, ',');
        for (unsigned i = 0; i < expected->n; i++) {
            if (name_matches(expected->name[i], one))
                return true;
        }
    }
    return false;
}

bool name_expected_valid(struct span name)
{
    struct host h;
    struct ip ip;
    return host_read(name, &h) && domain_valid(h.name, false) && ip_parse(h.name, &ip) != ERR_OK;
}
