/* Paths and domains: what is read stands in the input, reads back as itself, and has no byte that
 * could break a line. */
#include "mail/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_addr(const struct addr *a, bool utf8_ok)
{
    struct addr again;
    struct buf local;
    for (size_t i = 0; i < a->text.n; i++)
        ASSERT((unsigned char)a->text.p[i] >= 32 && a->text.p[i] != 127);
    ASSERT(!a->utf8 || utf8_ok);
    ASSERT(utf8_valid(a->text));
    ASSERT(a->text.n <= ADDR_BYTES_MAX);
    if (a->text.n == 0)
        return;
    ASSERT(addr_parse(a->text, utf8_ok, &again) == ERR_OK);
    ASSERT(span_eq(again.local, a->local) && span_eq(again.domain, a->domain));
    ASSERT(a->domain.n == 0 || domain_is_literal(a->domain) || domain_valid(a->domain, utf8_ok));
    ASSERT(domain_eq(a->domain, again.domain));
    buf_init(&local, ADDR_LOCAL_MAX);
    ASSERT(addr_unquote_local(a->local, &local) == ERR_OK);
    buf_done(&local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    bool utf8_ok = data[0] & 1;
    struct span in = span_of((const char *)data + 1, n - 1), rest = in, other = in;
    struct addr a;
    if (addr_path(&rest, utf8_ok, &a) == ERR_OK) {
        check_addr(&a, utf8_ok);
        ASSERT(rest.p > in.p && rest.p[-1] == '>');
    } else {
        ASSERT(rest.p == in.p && rest.n == in.n);
    }
    if (addr_parse(in, utf8_ok, &a) == ERR_OK)
        check_addr(&a, utf8_ok);
    struct span pattern = span_cut(&other, ' ');
    if (domain_valid(other, utf8_ok) && domain_match(pattern, other))
        ASSERT(pattern.n > 0);
    return 0;
}
