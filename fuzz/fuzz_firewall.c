/* The header firewall: the same result at any cut, bytes only taken away (or a name exchanged), and
 * no field left that the scanner's or a more forgiving reading would find. */
#include "mail/firewall.h"
#include "mail/header.h"

enum { NAME_BYTES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct span domains[] = { SPAN("a.example"), SPAN("*.b.example") };

static void feed(struct firewall *f, struct span in, struct buf *out)
{
    struct span piece;
    while (firewall_next(f, &in, &piece)) {
        ASSERT(piece.n > 0);
        buf_put(out, piece);
    }
    ASSERT(in.n == 0 && f->hold_n <= FIREWALL_HOLD_MAX);
}

static void filter(struct firewall *f, enum firewall_mode mode, struct span in, size_t step,
                   struct buf *out)
{
    struct span last;
    firewall_init(f, mode, domains, mode == FIREWALL_STRIP ? 0 : COUNTOF(domains));
    while (in.n > 0) {
        size_t n = step < in.n ? step : in.n;
        feed(f, span_head(in, n), out);
        in = span_tail(in, n);
    }
    if (firewall_end(f, &last))
        buf_put(out, last);
}

/* Every byte of `part` stands in `whole`, in that order. */
static bool is_left_of(struct span part, struct span whole)
{
    size_t i = 0;
    for (size_t k = 0; k < whole.n && i < part.n; k++)
        i += part.p[i] == whole.p[k];
    return i == part.n;
}

/* Where the section ends for whoever forgives most: behind CRLF CRLF only. */
static struct span section_of(struct span message)
{
    if (span_starts(message, SPAN("\r\n")))
        return SPAN_NONE;
    for (size_t i = 0; i + 4 <= message.n; i++)
        if (memcmp(message.p + i, "\r\n\r\n", 4) == 0)
            return span_head(message, i + 2);
    return message;
}

static bool is_fold(struct span s, size_t *i)
{
    size_t next = *i + 1;
    if (s.p[*i] == '\r' && next < s.n && s.p[next] == '\n')
        next++;
    if (next < s.n && s.p[next] != ' ' && s.p[next] != '\t')
        return false;
    *i = next - 1;
    return true;
}

/* The name with its colon, lower case, without blanks, folds and control bytes. */
static struct span read_name(struct span s, char memory[static NAME_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < NAME_BYTES; i++) {
        char c = s.p[i];
        if ((c == '\r' || c == '\n') && !is_fold(s, &i))
            break;
        if (c < 0 || (c > ' ' && c < 127))
            memory[n++] = ascii_lower(c);
        if (c == ':')
            break;
    }
    return span_of(memory, n);
}

/* Neither a folded line nor an empty one. */
static bool starts_field(struct span s, size_t i)
{
    bool line = i == 0 || s.p[i - 1] == '\r' || s.p[i - 1] == '\n';
    return line && s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n';
}

static unsigned count(struct span message, struct span prefix)
{
    unsigned n = 0;
    struct span s = section_of(message);
    for (size_t i = 0; i < s.n; i++) {
        char memory[NAME_BYTES];
        if (starts_field(s, i))
            n += span_starts(read_name(span_tail(s, i), memory), prefix);
    }
    return n;
}

/* A plain reader: lines end in CRLF, a name ends at a blank or colon, a line that is no field or
 * empty ends the section, whose size the scanner told. */
static unsigned count_plainly(struct span section, struct span prefix)
{
    unsigned n = 0;
    while (section.n > 0) {
        n += span_starts_nocase(section, prefix);
        size_t i = span_find(section, '\n');
        section = span_tail(section, i < section.n ? i + 1 : i);
    }
    return n;
}

static void check_names(const struct firewall *f, struct span out, struct span section)
{
    unsigned organization = count(out, SPAN("x-ms-exchange-organization-"));
    unsigned cross = count(out, SPAN("x-ms-exchange-crosspremises-"));
    ASSERT(organization == (f->mode == FIREWALL_PROMOTE ? f->renamed : 0));
    ASSERT(cross == (f->mode == FIREWALL_DEMOTE ? f->renamed : 0));
    ASSERT(f->mode != FIREWALL_STRIP || f->renamed == 0);
    ASSERT(count(out, SPAN("x-ms-exchange-forest-")) == 0);
    ASSERT(count(out, SPAN("postern-attribution")) == 0);
    ASSERT(f->mode != FIREWALL_STRIP || count(out, SPAN("x-originatororg:")) == 0);
    ASSERT(count_plainly(section, SPAN("X-MS-Exchange-Organization-")) <= organization);
    ASSERT(count_plainly(section, SPAN("X-MS-Exchange-CrossPremises-")) <= cross);
}

static void check_mode(enum firewall_mode mode, struct span in, size_t step)
{
    struct firewall f, g;
    struct buf a, b, again;
    struct header_scan h;
    buf_init(&a, 2 * in.n);
    buf_init(&b, 2 * in.n);
    buf_init(&again, 2 * in.n);
    filter(&f, mode, in, in.n, &a);
    filter(&g, mode, in, step, &b);
    ASSERT(span_eq(buf_span(&a), buf_span(&b)));
    ASSERT(f.removed == g.removed && f.renamed == g.renamed && f.foreign == g.foreign);
    ASSERT(f.foreign <= f.removed);
    ASSERT(f.renamed > 0 || is_left_of(buf_span(&a), in));
    ASSERT(f.removed > 0 || f.renamed > 0 || span_eq(buf_span(&a), in));

    header_scan_init(&h, SPAN("mx.example"));
    header_scan_input(&h, buf_span(&a));
    header_scan_end(&h);
    check_names(&f, buf_span(&a), span_head(buf_span(&a), h.n));
    header_scan_done(&h);

    filter(&g, FIREWALL_STRIP, buf_span(&a), step, &again);
    ASSERT(mode != FIREWALL_STRIP || span_eq(buf_span(&again), buf_span(&a)));
    buf_done(&a);
    buf_done(&b);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3)
        return 0;
    struct span in = span_of((const char *)data + 2, n - 2);
    check_mode(data[0] % FIREWALL_MODE_COUNT_, in, data[1] + 1U);
    return 0;
}
