/* Read addr_path and mailbox first. */
#include "mail/addr.h"

#include "mail/ip.h"
#include "mail/text.h"

enum { LABEL_BYTES_MAX = 63 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_high(char c)
{
    return (unsigned char)c > 127;
}

/* = RFC 5322 3.2.3: atext; RFC 6531 3.3 adds UTF-8 */
static bool is_atext(char c)
{
    struct span others = SPAN("!#$%&'*+-/=?^_`{|}~");
    return is_alnum(c) || is_high(c) || span_find(others, c) < others.n;
}

/* The length of the UTF-8 sequence that s starts with, 0 when it is none. RFC 3629 section 4. */
static size_t utf8_sequence(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
               : p[0] >= 0xe0 && p[0] <= 0xef ? 3
               : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                              : 0;
    if (n == 0 || s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

bool utf8_valid(struct span s)
{
    while (s.n > 0) {
        size_t n = utf8_sequence(s);
        if (n == 0)
            return false;
        s = span_tail(s, n);
    }
    return true;
}

static struct span without_dot(struct span d)
{
    return d.n > 0 && d.p[d.n - 1] == '.' ? span_head(d, d.n - 1) : d;
}

/* = RFC 5321 4.1.2: sub-domain. A U-label may be longer in bytes than its A-label. */
static bool label_valid(struct span label)
{
    bool high = false;
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!is_alnum(c) && c != '-' && c != '_' && !is_high(c))
            return false;
        high |= is_high(c);
    }
    if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    return high || label.n <= LABEL_BYTES_MAX;
}

bool domain_valid(struct span d, bool utf8_ok)
{
    if (d.n > DOMAIN_BYTES_MAX || !text_plain(d) || (!utf8_ok && text_eight_bit(d)))
        return false;
    d = without_dot(d);
    if (d.n == 0 || d.p[d.n - 1] == '.')
        return false;
    while (d.n > 0)
        if (!label_valid(span_cut(&d, '.')))
            return false;
    return true;
}

bool domain_is_literal(struct span d)
{
    return d.n >= 2 && d.p[0] == '[' && d.p[d.n - 1] == ']';
}

bool domain_eq(struct span a, struct span b)
{
    return span_eq_nocase(without_dot(a), without_dot(b));
}

bool domain_match(struct span pattern, struct span d)
{
    if (!span_starts(pattern, SPAN("*.")))
        return domain_eq(pattern, d);
    struct span suffix = without_dot(span_tail(pattern, 1));
    d = without_dot(d);
    return suffix.n > 1 && d.n > suffix.n && d.p[0] != '.' && span_ends_nocase(d, suffix);
}

/* Moves *s behind a quoted string. = RFC 5321 4.1.2: QcontentSMTP */
static enum err take_quoted(struct span *s)
{
    size_t i = 1;
    while (i < s->n && s->p[i] != '"') {
        if (s->p[i] == '\\') {
            i++;
            if (i == s->n || is_high(s->p[i]))
                return ERR_SYNTAX;
        }
        i++;
    }
    if (i == s->n)
        return ERR_SYNTAX;
    *s = span_tail(*s, i + 1);
    return ERR_OK;
}

/* Moves *s behind a Dot-string: atoms with single dots between. */
static enum err take_dot_string(struct span *s)
{
    size_t i = 0;
    bool atom = false;
    for (; i < s->n && (is_atext(s->p[i]) || s->p[i] == '.'); i++) {
        if (s->p[i] == '.' && !atom)
            return ERR_SYNTAX;
        atom = s->p[i] != '.';
    }
    if (!atom)
        return ERR_SYNTAX;
    *s = span_tail(*s, i);
    return ERR_OK;
}

static enum err take_local(struct span *s, struct span *ret)
{
    struct span start = *s;
    if (s->n == 0)
        return ERR_SYNTAX;
    if (s->p[0] == '"')
        TRY(take_quoted(s));
    else
        TRY(take_dot_string(s));
    *ret = span_head(start, start.n - s->n);
    return ERR_OK;
}

/* Moves *s behind a domain or an address literal. A final dot, which the grammar does not know,
 * is refused, so that one mailbox has one spelling. */
static enum err take_domain(struct span *s, bool utf8_ok, struct span *ret)
{
    bool literal = s->n > 0 && s->p[0] == '[';
    size_t n = 0;
    if (literal) {
        n = span_find(*s, ']') + 1;
        struct ip ip;
        if (n > s->n)
            return ERR_SYNTAX;
        TRY(ip_literal_parse(span_head(*s, n), &ip));
    } else {
        while (n < s->n && (is_alnum(s->p[n]) || is_high(s->p[n]) || s->p[n] == '-' ||
                            s->p[n] == '_' || s->p[n] == '.'))
            n++;
        if (n > DOMAIN_BYTES_MAX)
            return ERR_TOO_BIG;
        if (!domain_valid(span_head(*s, n), utf8_ok) || s->p[n - 1] == '.')
            return ERR_SYNTAX;
    }
    *ret = span_head(*s, n);
    *s = span_tail(*s, n);
    return ERR_OK;
}

/* Reads a mailbox, or "postmaster" alone, and moves *s behind it. */
static enum err mailbox(struct span *s, bool utf8_ok, struct addr *ret)
{
    struct addr a = { .text = *s };
    TRY(take_local(s, &a.local));
    if (s->n > 0 && s->p[0] == '@') {
        *s = span_tail(*s, 1);
        TRY(take_domain(s, utf8_ok, &a.domain));
    } else if (!span_eq_nocase(a.local, SPAN("postmaster"))) {
        return ERR_SYNTAX;
    }
    a.text.n -= s->n;
    a.utf8 = text_eight_bit(a.text);
    if (a.text.n > ADDR_BYTES_MAX || a.local.n > ADDR_LOCAL_MAX)
        return ERR_TOO_BIG;
    if (!text_plain(a.text) || (a.utf8 && !utf8_ok))
        return ERR_SYNTAX;
    *ret = a;
    return ERR_OK;
}

/* Moves *s behind "@a,@b:" when it starts so. = RFC 5321 4.1.2: A-d-l */
static enum err skip_route(struct span *s, bool utf8_ok)
{
    if (s->n == 0 || s->p[0] != '@')
        return ERR_OK;
    for (;;) {
        struct span domain;
        if (s->n == 0 || s->p[0] != '@')
            return ERR_SYNTAX;
        *s = span_tail(*s, 1);
        TRY(take_domain(s, utf8_ok, &domain));
        if (s->n == 0 || (s->p[0] != ',' && s->p[0] != ':'))
            return ERR_SYNTAX;
        bool last = s->p[0] == ':';
        *s = span_tail(*s, 1);
        if (last)
            return ERR_OK;
    }
}

enum err addr_path(struct span *in, bool utf8_ok, struct addr *ret)
{
    struct span s = *in;
    struct addr a = { .text = SPAN_NONE };
    if (s.n < 2 || s.p[0] != '<')
        return ERR_SYNTAX;
    s = span_tail(s, 1);
    if (s.p[0] != '>') {
        TRY(skip_route(&s, utf8_ok));
        TRY(mailbox(&s, utf8_ok, &a));
    }
    if (s.n == 0 || s.p[0] != '>')
        return ERR_SYNTAX;
    *in = span_tail(s, 1);
    *ret = a;
    return ERR_OK;
}

enum err addr_parse(struct span s, bool utf8_ok, struct addr *ret)
{
    struct addr a;
    TRY(mailbox(&s, utf8_ok, &a));
    if (s.n > 0)
        return ERR_SYNTAX;
    *ret = a;
    return ERR_OK;
}

enum err addr_unquote_local(struct span local, struct buf *out)
{
    if (local.n == 0 || local.p[0] != '"')
        return buf_append(out, local);
    struct span rest = local;
    TRY(take_quoted(&rest));
    if (rest.n > 0)
        return ERR_SYNTAX;
    size_t n = out->n;
    for (size_t i = 1; i + 1 < local.n; i++) {
        if (local.p[i] == '\\')
            i++;
        if (buf_addc(out, local.p[i]) != ERR_OK) {
            buf_truncate(out, n);
            return ERR_TOO_BIG;
        }
    }
    return ERR_OK;
}

void *domain_map_get(const struct map *m, struct span domain)
{
    char key[2 + DOMAIN_BYTES_MAX] = "*.";
    if (domain.n > 0 && domain.p[domain.n - 1] == '.')
        domain.n--;
    void *ret = map_get(m, domain);
    if (domain.n > DOMAIN_BYTES_MAX || domain_is_literal(domain))
        return ret;
    while (!ret && span_find(domain, '.') < domain.n) {
        span_cut(&domain, '.');
        if (domain.n > 0)
            memcpy(key + 2, domain.p, domain.n);
        ret = map_get(m, span_of(key, 2 + domain.n));
    }
    return ret;
}
