#include "io/idn.h"
#include <idn2.h>

enum { DOMAIN_MAX = 253, LABEL_MAX = 63, INPUT_MAX = 1024 };

/* A-labels are checked by turning them around: what does not come back is no A-label. */
static bool a_label_valid(struct span label)
{
    char text[LABEL_MAX + 1] = { 0 };
    memcpy(text, label.p, label.n);
    char *u = NULL, *a = NULL;
    bool ok = idn2_to_unicode_8z8z(text, &u, 0) == IDN2_OK &&
              idn2_lookup_u8((const uint8_t *)u, (uint8_t **)&a, IDN2_NFC_INPUT) == IDN2_OK &&
              span_eq(span_z(a), label);
    idn2_free(u);
    idn2_free(a);
    return ok;
}

/* Letters, digits, '-' inside, and '_', which host names in the wild have. */
static bool label_valid(struct span label)
{
    if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return !span_starts(label, SPAN("xn--")) || a_label_valid(label);
}

/* `domain` is lower case already. A last label of digits alone belongs to an address. */
static bool domain_valid(struct span domain)
{
    if (domain.n == 0 || domain.n > DOMAIN_MAX)
        return false;
    struct span label = SPAN_NONE, rest = domain;
    for (size_t dots = 0; rest.n > 0 || dots > 0;) {
        size_t n = span_find(rest, '.');
        dots = n < rest.n;
        label = span_cut(&rest, '.');
        if (!label_valid(label))
            return false;
    }
    for (size_t i = 0; i < label.n; i++) {
        if (label.p[i] < '0' || label.p[i] > '9')
            return true;
    }
    return false;
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] >= 0x80)
            return false;
    }
    return true;
}

/* Checks, and appends in lower case. */
static enum err ascii_domain(struct span domain, struct buf *out)
{
    char text[DOMAIN_MAX];
    if (domain.n > 0 && domain.p[domain.n - 1] == '.')
        domain.n--;
    if (domain.n > sizeof text)
        return ERR_SYNTAX;
    for (size_t i = 0; i < domain.n; i++)
        text[i] = ascii_lower(domain.p[i]);
    struct span lower = span_of(text, domain.n);
    return domain_valid(lower) ? buf_append(out, lower) : ERR_SYNTAX;
}

enum err idn_to_ascii(struct span domain, struct buf *out)
{
    if (domain.n > INPUT_MAX || span_find(domain, '\0') < domain.n)
        return ERR_SYNTAX;
    if (is_ascii(domain))
        return ascii_domain(domain, out);
    char text[INPUT_MAX + 1] = { 0 };
    memcpy(text, domain.p, domain.n);
    uint8_t *a = NULL;
    if (idn2_lookup_u8((const uint8_t *)text, &a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return ERR_SYNTAX;
    enum err e = ascii_domain(span_z((const char *)a), out);
    idn2_free(a);
    return e;
}
