#include "mail/firewall.h"
#include "base/rng.h"
#include "test/test.h"

enum { OUT_MAX = 4 * 1024 * 1024 };

static const struct span domains[] = { SPAN("hospital.example"), SPAN("*.clinic.example") };

#define ORG "X-MS-Exchange-Organization-"
#define CROSS "X-MS-Exchange-CrossPremises-"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500 X100 X100 X100 X100 X100
#define B10 "          "
#define B100 B10 B10 B10 B10 B10 B10 B10 B10 B10 B10
#define B500 B100 B100 B100 B100 B100

static void init(struct firewall *f, enum firewall_mode mode)
{
    firewall_init(f, mode, domains, mode == FIREWALL_STRIP ? 0 : COUNTOF(domains));
}

static void feed(struct firewall *f, struct span in, struct buf *out)
{
    struct span piece;
    while (firewall_next(f, &in, &piece)) {
        CHECK(piece.n > 0);
        buf_put(out, piece);
    }
    CHECK_NUM(in.n, 0);
    CHECK(f->hold_n <= FIREWALL_HOLD_MAX);
}

static void finish(struct firewall *f, struct buf *out)
{
    struct span piece;
    if (firewall_end(f, &piece))
        buf_put(out, piece);
    CHECK(!firewall_end(f, &piece));
}

/* --- what becomes of a message --- */

struct row {
    const char *name;
    enum firewall_mode mode;
    struct span in, out;
    unsigned removed, renamed, foreign;
};

#define SAME(name, text)                                                                           \
    {                                                                                              \
        name, FIREWALL_STRIP, SPAN(text), SPAN(text), 0, 0, 0                                      \
    }
#define STRIP(name, in, n, out)                                                                    \
    {                                                                                              \
        name, FIREWALL_STRIP, SPAN(in), SPAN(out), n, 0, 0                                         \
    }
#define PROMOTE(name, in, gone, moved, out)                                                        \
    {                                                                                              \
        name, FIREWALL_PROMOTE, SPAN(in), SPAN(out), gone, moved, 0                                \
    }
#define DEMOTE(name, in, gone, moved, out)                                                         \
    {                                                                                              \
        name, FIREWALL_DEMOTE, SPAN(in), SPAN(out), gone, moved, 0                                 \
    }
#define FOREIGN(name, in, out)                                                                     \
    {                                                                                              \
        name, FIREWALL_PROMOTE, SPAN(in), SPAN(out), 1, 0, 1                                       \
    }

static const struct row rows[] = {
    SAME("nothing", ""),
    SAME("no header", "\r\n" CROSS "AuthAs: Internal\r\n"),
    SAME("no body", "From: a\r\nTo: b\r\n"),
    SAME("no body, empty line", "From: a\r\n\r\n"),
    SAME("half a line", "From: a\r\nTo"),
    SAME("body is not read", "A: b\r\n\r\n" CROSS "AuthAs: Internal\r\n" ORG "SCL: -1\r\n"),
    SAME("other names", "X-MS-Exchange-SenderADCheck: 1\r\nX-MS-Exchange-CrossTenant-Id: 2\r\n"
                        "X-MS-Exchange-Organizations: 3\r\nX-OriginatorOrganization: 4\r\n"
                        "X-MS-Has-Attach: yes\r\nPostern-Attribute: 5\r\nX: 6\r\nP : 7\r\n\r\n"),
    SAME("name in a value", "Subject: " CROSS "AuthAs: Internal\r\n\t" CROSS "AuthAs: x\r\n\r\n"),
    SAME("name behind another", "Y" CROSS "AuthAs: Internal\r\n\r\n"),
    SAME("start of a name, no colon", "X-MS-Exchange-\r\nX-MS-Exchange-Organization\r\nX\r\n\r\n"),
    SAME("start of a name at the end", "A: b\r\nX-MS-Exch"),
    SAME("start of a name, folded, at the end", "A: b\r\nX-MS-Exch\r\n "),
    SAME("start of a name last", "A: b\nX-MS-Exch\r\n\r\n" CROSS "AuthAs: quoted\r\n"),
    SAME("names that nearly are", "X-MS-Exchange-Organization: 1\r\nX-OriginatorOrg\r\n\r\n"),
    SAME("8-bit names", "\xc3\xbc: 1\r\nX\xc3\xbc: 2\r\nX-MS-\xe2\x80\x8b: 3\r\n\r\n"),
    SAME("line without a colon", "hello\r\nworld\r\n"),
    SAME("blank first", " x: y\r\nA: b\r\n\r\n"),
    SAME("bare line ends", "A: b\nC: d\rE: f\r\r\n\n\rG\r\n\r\n"),

    STRIP("each of them",
          "A: 1\r\n" ORG "SCL: -1\r\nB: 2\r\n" CROSS "AuthAs: Internal\r\nC: 3\r\n"
          "X-MS-Exchange-Forest-RulesExecuted: x\r\nPostern-Attribution: y\r\nD: 4\r\n"
          "X-OriginatorOrg: hospital.example\r\nPostern-Attribution-Signature: z\r\n\r\nbody",
          6, "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\nbody"),
    STRIP("all there is", CROSS "AuthAs: Internal\r\n", 1, ""),
    STRIP("all there is, unended", CROSS "AuthAs: Inter", 1, ""),
    STRIP("first and then the body", ORG "A: b\r\n\r\nbody", 1, "\r\nbody"),
    STRIP("no name behind the dash", CROSS ": Internal\r\n\r\n", 1, "\r\n"),
    STRIP("odd case", "x-ms-eXCHANGE-cROSSpREMISES-authas: Internal\r\n\r\n", 1, "\r\n"),
    STRIP("folded", CROSS "AuthAs:\r\n Internal\r\n\t(x)\r\nA: b\r\n c\r\n\r\n", 1,
          "A: b\r\n c\r\n\r\n"),
    STRIP("folded with blanks only", CROSS "AuthAs: x\r\n \r\n\t\r\nA: b\r\n\r\n", 1,
          "A: b\r\n\r\n"),
    /* = RFC 5322 4.5: obsolete fields allow multiple occurrences and whitespace before the colon */
    STRIP("blank before the colon", CROSS "AuthAs : Internal\r\n" ORG "SCL\t\t:-1\r\n\r\n", 2,
          "\r\n"),
    STRIP("blank before the dash", CROSS " AuthAs: Internal\r\n\r\n", 1, "\r\n"),
    STRIP("fold before the colon", CROSS "AuthAs\r\n : Internal\r\n\r\n", 1, "\r\n"),
    STRIP("fold in the name", "X-MS-Exchange-\r\n CrossPremises-\r\n\t AuthAs: I\r\n\r\n", 1,
          "\r\n"),
    STRIP("fold behind the first letter", "X\r\n -MS-Exchange-Organization-A: I\r\n\r\n", 1,
          "\r\n"),
    STRIP("blanks in the name", "X - MS-Exchange\t-Organization-AuthAs: I\r\n\r\n", 1, "\r\n"),
    STRIP("NUL in the name", "\0X-MS-Exch\0ange-Organization-AuthAs: I\r\n\r\n", 1, "\r\n"),
    STRIP("no colon at all", CROSS "AuthAs Internal\r\nA: b\r\n\r\n", 1, "A: b\r\n\r\n"),
    STRIP("behind a line without a colon", "hello\r\n" CROSS "AuthAs: Internal\r\n\r\n", 1,
          "hello\r\n\r\n"),
    STRIP("behind a start of a name", "X-MS-Exchange-\r\n" CROSS "AuthAs: Internal\r\n\r\n", 1,
          "X-MS-Exchange-\r\n\r\n"),
    STRIP("behind a line of blanks", "A: b\r\n \r\n" CROSS "AuthAs: Internal\r\n\r\n", 1,
          "A: b\r\n \r\n\r\n"),
    STRIP("behind a bare LF", "A: b\n" CROSS "AuthAs: Internal\r\n\r\n", 1, "A: b\n\r\n"),
    STRIP("behind a bare CR", "A: b\r" CROSS "AuthAs: Internal\r\n\r\n", 1, "A: b\r\r\n"),
    STRIP("behind a start of a name and LF", "X-MS-Exchange-\n\r\n" CROSS "A: I\r\n\r\nbody", 1,
          "X-MS-Exchange-\n\r\n\r\nbody"),
    STRIP("behind an empty line of LF", "A: b\n\n" CROSS "AuthAs: Internal\r\n\r\nbody", 1,
          "A: b\n\n\r\nbody"),
    STRIP("behind an empty line of CR", "A: b\r\r" CROSS "AuthAs: Internal\r\n\r\nbody", 1,
          "A: b\r\r\r\nbody"),
    STRIP("behind CR CR LF", "A: b\r\r\n" CROSS "AuthAs: Internal\r\n\r\nbody", 1,
          "A: b\r\r\n\r\nbody"),
    /* what is left must not be empty lines to us and none to the next hop */
    STRIP("an end that its removal undoes",
          "A: b\n" ORG "A: 1\r\n\r\n" CROSS "AuthAs: Internal\r\n\r\nbody", 2,
          "A: b\n\r\n\r\nbody"),
    STRIP("a fold that its removal would make",
          "X-MS-Exchange-\r" ORG "A: 1\n\n Organization-B: 2\r\n\r\n", 1, "X-MS-Exchange-\r\r\n"),
    STRIP("a bare LF ends it", ORG "A: 1\nB: 2\r\n\r\n", 1, "B: 2\r\n\r\n"),
    STRIP("a bare CR ends it", ORG "A: 1\rB: 2\r\n\r\n", 1, "B: 2\r\n\r\n"),
    STRIP("fold of bare LF", ORG "A: 1\n B: 2\r\nC: 3\r\n\r\n", 1, "C: 3\r\n\r\n"),
    STRIP("many in a row", ORG "A: 1\r\n" ORG "A: 1\r\n" CROSS "A:\r\n " CROSS "B: 2\r\n\r\n", 3,
          "\r\n"),
    STRIP("blanks without end", "X" B500 B10 B10 "-MS: x\r\n y\r\nA: b\r\n\r\n", 1, "A: b\r\n\r\n"),
    STRIP("X-OriginatorOrg", "X-OriginatorOrg: hospital.example\r\nx-originatororg\r\n : b\r\n\r\n",
          2, "\r\n"),

    PROMOTE("promoted", CROSS "AuthAs: Internal\r\n" CROSS "AuthMechanism: 04\r\n\r\nbody", 0, 2,
            ORG "AuthAs: Internal\r\n" ORG "AuthMechanism: 04\r\n\r\nbody"),
    PROMOTE("folded value stays", CROSS "AuthSource:\r\n mail\r\n\t(x)\r\nA: b\r\n\r\n", 0, 1,
            ORG "AuthSource:\r\n mail\r\n\t(x)\r\nA: b\r\n\r\n"),
    PROMOTE("odd case", "x-ms-exchange-CROSSPREMISES-aUTHas:Internal\r\n\r\n", 0, 1,
            ORG "aUTHas:Internal\r\n\r\n"),
    PROMOTE("its twin before", ORG "AuthAs: Internal\r\n" CROSS "AuthAs: Anonymous\r\n\r\n", 1, 1,
            ORG "AuthAs: Anonymous\r\n\r\n"),
    PROMOTE("its twin behind", CROSS "AuthAs: Anonymous\r\n" ORG "AuthAs: Internal\r\n\r\n", 1, 1,
            ORG "AuthAs: Anonymous\r\n\r\n"),
    PROMOTE("without a twin", ORG "SCL: -1\r\nA: b\r\n\r\n", 1, 0, "A: b\r\n\r\n"),
    PROMOTE("blank before the colon", CROSS "AuthAs : Internal\r\nA: b\r\n\r\n", 1, 0,
            "A: b\r\n\r\n"),
    PROMOTE("blank in the name", "X-MS-Exchange- CrossPremises-AuthAs: I\r\nA: b\r\n\r\n", 1, 0,
            "A: b\r\n\r\n"),
    PROMOTE("fold before the colon", CROSS "AuthAs\r\n : Internal\r\nA: b\r\n\r\n", 1, 0,
            "A: b\r\n\r\n"),
    PROMOTE("no name behind the dash", CROSS ": Internal\r\n x\r\nA: b\r\n\r\n", 1, 0,
            "A: b\r\n\r\n"),
    PROMOTE("no colon", CROSS "AuthAs\r\nA: b\r\n\r\n", 1, 0, "A: b\r\n\r\n"),
    PROMOTE("no colon at the end", CROSS "AuthAs", 1, 0, ""),
    PROMOTE("8-bit name", CROSS "Auth\xc3\xbc: x\r\n\r\n", 1, 0, "\r\n"),
    PROMOTE("long name", CROSS X100 ": x\r\n\r\n", 0, 1, ORG X100 ": x\r\n\r\n"),
    PROMOTE("too long a name", CROSS X500 ": x\r\nA: b\r\n\r\n", 1, 0, "A: b\r\n\r\n"),
    PROMOTE("never these", "X-MS-Exchange-Forest-A: 1\r\nPostern-Attribution: 2\r\n\r\n", 2, 0,
            "\r\n"),
    PROMOTE("own domain", "X-OriginatorOrg: Hospital.Example\r\nA: b\r\n\r\n", 0, 0,
            "X-OriginatorOrg: Hospital.Example\r\nA: b\r\n\r\n"),
    PROMOTE("own domain, folded", "X-ORIGINATORORG:\r\n hospital.example \r\n\r\nbody", 0, 0,
            "X-ORIGINATORORG:\r\n hospital.example \r\n\r\nbody"),
    PROMOTE("own domain, below", "X-OriginatorOrg:a.clinic.example", 0, 0,
            "X-OriginatorOrg:a.clinic.example"),
    PROMOTE("own domain, bare LF", "X-OriginatorOrg: hospital.example\n\nA: b\r\n\r\n", 0, 0,
            "X-OriginatorOrg: hospital.example\n\nA: b\r\n\r\n"),
    FOREIGN("another's domain", "X-OriginatorOrg: evil.example\r\n x\r\nA: b\r\n\r\n",
            "A: b\r\n\r\n"),
    FOREIGN("another's domain at the end", "A: b\r\nX-OriginatorOrg: evil.example", "A: b\r\n"),
    FOREIGN("two domains", "X-OriginatorOrg: hospital.example,evil.example\r\n\r\n", "\r\n"),
    FOREIGN("two domains, folded", "X-OriginatorOrg: evil.example\r\n hospital.example\r\n\r\n",
            "\r\n"),
    FOREIGN("comment", "X-OriginatorOrg: hospital.example (evil.example)\r\n\r\n", "\r\n"),
    FOREIGN("wildcard itself", "X-OriginatorOrg: *.clinic.example\r\n\r\n", "\r\n"),
    FOREIGN("above the wildcard", "X-OriginatorOrg: clinic.example\r\n\r\n", "\r\n"),
    FOREIGN("empty", "X-OriginatorOrg:\r\n\r\n", "\r\n"),
    FOREIGN("blank before the colon", "X-OriginatorOrg : hospital.example\r\n\r\n", "\r\n"),
    FOREIGN("bare CR within", "X-OriginatorOrg: hospital.example\r evil\r\n\r\n", "\r\n"),
    FOREIGN("too long", "X-OriginatorOrg: hospital.example" B500 "\r\n\r\n", "\r\n"),

    DEMOTE("demoted", ORG "AuthAs: Internal\r\nA: b\r\n\r\nbody", 0, 1,
           CROSS "AuthAs: Internal\r\nA: b\r\n\r\nbody"),
    DEMOTE("its twin", CROSS "AuthAs: Internal\r\n" ORG "AuthAs: Anonymous\r\n\r\n", 1, 1,
           CROSS "AuthAs: Anonymous\r\n\r\n"),
    DEMOTE("never these", "X-MS-Exchange-Forest-A: 1\r\nPostern-Attribution: 2\r\n\r\n", 2, 0,
           "\r\n"),
    DEMOTE("own domain", "X-OriginatorOrg: hospital.example\r\n\r\n", 0, 0,
           "X-OriginatorOrg: hospital.example\r\n\r\n"),
    DEMOTE("longest name", ORG X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxx: 1\r\n",
           0, 1, CROSS X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxx: 1\r\n"),
    DEMOTE("too long by one",
           ORG X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxx: 1\r\n", 1, 0, ""),
};

static void check_row(const struct row *r, size_t from, size_t to)
{
    struct firewall f;
    struct buf out;
    buf_init(&out, OUT_MAX);
    init(&f, r->mode);
    feed(&f, span_head(r->in, from), &out);
    feed(&f, span_tail(span_head(r->in, to), from), &out);
    feed(&f, span_tail(r->in, to), &out);
    finish(&f, &out);
    CHECK_SPAN(buf_span(&out), r->out);
    CHECK_NUM(f.removed, r->removed);
    CHECK_NUM(f.renamed, r->renamed);
    CHECK_NUM(f.foreign, r->foreign);
    buf_done(&out);
}

/* In every mode nobody's signed field passes, and each is counted. */
TEST(firewall_counts_signed_fields)
{
    static const struct span domain[] = { { "acme.example", 12 } };
    for (unsigned mode = 0; mode < FIREWALL_MODE_COUNT_; mode++) {
        struct firewall f;
        struct buf out;
        buf_init(&out, OUT_MAX);
        firewall_init(&f, (enum firewall_mode)mode, domain, mode != FIREWALL_STRIP);
        feed(&f,
             SPAN("A: b\r\nPostern-Attribution: v=1;\r\n x\r\npostern-attribution : y\r\n"
                  "X-MS-Exchange-Forest-x: z\r\n\r\nPostern-Attribution: body\r\n"),
             &out);
        finish(&f, &out);
        CHECK_Z(buf_span(&out), "A: b\r\n\r\nPostern-Attribution: body\r\n");
        CHECK_NUM(f.sealed, 2);
        CHECK_NUM(f.removed, 3);
        buf_done(&out);
    }
}

TEST(firewall_at_every_cut)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        size_t n = rows[i].in.n;
        for (size_t from = 0; from <= n; from++)
            for (size_t to = from; to <= n; to += n > 200 ? 37 : 1)
                check_row(&rows[i], from, to);
    }
    test_case(NULL);
}

TEST(firewall_byte_by_byte)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct firewall f;
        struct buf out;
        buf_init(&out, OUT_MAX);
        init(&f, rows[i].mode);
        for (size_t k = 0; k < rows[i].in.n; k++)
            feed(&f, span_of(rows[i].in.p + k, 1), &out);
        finish(&f, &out);
        CHECK_SPAN(buf_span(&out), rows[i].out);
        buf_done(&out);
    }
    test_case(NULL);
}

/* --- what a stranger may try, read back by a parser that forgives much --- */

/* The field's name as the most forgiving reader has it: *in is what begins a line. */
static struct span lenient_name(struct span in, char *memory, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n && n < max && in.p[i] != ':'; i++) {
        char c = in.p[i], next = i + 1 < in.n ? in.p[i + 1] : 'x';
        if (c == '\r' && next == '\n') {
            i++;
            next = i + 1 < in.n ? in.p[i + 1] : 'x';
        }
        if ((c == '\r' || c == '\n') && next != ' ' && next != '\t')
            break;
        if (c < 0 || (c > ' ' && c < 127))
            memory[n++] = ascii_lower(c);
    }
    return span_of(memory, n);
}

static struct span section_of(struct span message)
{
    if (span_starts(message, SPAN("\r\n")))
        return SPAN_NONE;
    for (size_t i = 0; i + 4 <= message.n; i++)
        if (memcmp(message.p + i, "\r\n\r\n", 4) == 0)
            return span_head(message, i + 2);
    return message;
}

/* Neither a folded line nor an empty one. */
static bool starts_field(struct span s, size_t i)
{
    bool line = i == 0 || s.p[i - 1] == '\r' || s.p[i - 1] == '\n';
    return line && s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n';
}

/* Fields whose names begin so. */
static unsigned lenient_count(struct span message, struct span prefix)
{
    unsigned n = 0;
    struct span in = section_of(message);
    for (size_t i = 0; i < in.n; i++) {
        char name[64];
        if (starts_field(in, i))
            n += span_starts(lenient_name(span_tail(in, i), name, sizeof name), prefix);
    }
    return n;
}

static const struct span forbidden[] = {
    SPAN("x-ms-exchange-organization-"),
    SPAN("x-ms-exchange-crosspremises-"),
    SPAN("x-ms-exchange-forest-"),
    SPAN("postern-attribution"),
    SPAN("x-originatororg"),
};

static unsigned lenient_forbidden(struct span message)
{
    unsigned n = 0;
    for (size_t i = 0; i < COUNTOF(forbidden); i++)
        n += lenient_count(message, forbidden[i]);
    return n;
}

/* "AuthAs: Internal", disguised: any case, with something between any two bytes of the name. */
static void put_disguised(struct rng *r, struct buf *out)
{
    static const struct span between[] = { SPAN(" "),          SPAN("\t"),  SPAN("\r\n "),
                                           SPAN("\n\t"),       SPAN("\r "), SPAN("\0"),
                                           SPAN(" \r\n \r\n ") };
    static const struct span names[] = { SPAN(CROSS "AuthAs"), SPAN(ORG "AuthAs"),
                                         SPAN("X-MS-Exchange-Forest-AuthAs"),
                                         SPAN("Postern-Attribution"), SPAN("X-OriginatorOrg") };
    struct span name = names[rng_below(r, COUNTOF(names))];
    for (size_t i = 0; i < name.n; i++) {
        char c = rng_below(r, 2) ? ascii_lower(name.p[i]) : name.p[i];
        if (c >= 'a' && c <= 'z' && rng_below(r, 2))
            c = (char)(c - 'a' + 'A');
        buf_put(out, span_of(&c, 1));
        if (rng_below(r, 12) == 0)
            buf_put(out, between[rng_below(r, COUNTOF(between))]);
    }
    if (rng_below(r, 2))
        buf_put(out, between[rng_below(r, COUNTOF(between))]);
    buf_put(out, SPAN(": Internal"));
    if (rng_below(r, 3) == 0)
        buf_put(out, SPAN("\r\n (folded)"));
}

static void put_injection(struct rng *r, struct buf *out)
{
    static const struct span honest[] = { SPAN("Subject: a"),
                                          SPAN("X-Mailer: b\r\n c"),
                                          SPAN("no colon"),
                                          SPAN("X-MS-Exchange-"),
                                          SPAN("X-MS-Exchange-Transport-Id: 1"),
                                          SPAN("Comments:\r\n ") };
    static const struct span ends[] = { SPAN("\r\n"), SPAN("\r\n"), SPAN("\r\n"), SPAN("\n"),
                                        SPAN("\r"),   SPAN("\n\n"), SPAN("\r\r"), SPAN("\n\r") };
    for (uint64_t n = rng_below(r, 6) + 1; n > 0; n--) {
        if (rng_below(r, 2))
            put_disguised(r, out);
        else
            buf_put(out, honest[rng_below(r, COUNTOF(honest))]);
        buf_put(out, ends[rng_below(r, COUNTOF(ends))]);
    }
    buf_put(out, SPAN("\r\n"));
    buf_put(out, SPAN("\r\nbody\r\n" CROSS "AuthAs: quoted\r\n"));
}

TEST(t15_firewall_no_disguise_survives)
{
    struct rng r;
    rng_init(&r, 15);
    for (int i = 0; i < 20000; i++) {
        struct firewall f;
        struct buf in, out;
        buf_init(&in, OUT_MAX);
        buf_init(&out, OUT_MAX);
        put_injection(&r, &in);
        init(&f, FIREWALL_STRIP);
        size_t cut = rng_below(&r, in.n + 1);
        feed(&f, span_head(buf_span(&in), cut), &out);
        feed(&f, span_tail(buf_span(&in), cut), &out);
        finish(&f, &out);
        CHECK_NUM(lenient_forbidden(buf_span(&out)), 0);
        CHECK_NUM(f.removed > 0, in.n != out.n);
        CHECK(span_ends_nocase(buf_span(&out), SPAN("\r\nbody\r\n" CROSS "AuthAs: quoted\r\n")));
        buf_done(&in);
        buf_done(&out);
    }
}

/* With whole lines only, what is left is what a plain reader would have left. */
TEST(firewall_agrees_with_a_plain_reader)
{
    static const struct span lines[] = {
        SPAN("Subject: a\r\n"),         SPAN(" folded\r\n"),       SPAN("\t: x\r\n"),
        SPAN(CROSS "AuthAs: I\r\n"),    SPAN(ORG "SCL: -1\r\n"),   SPAN("X-MS-Exchange-A: 1\r\n"),
        SPAN("X-OriginatorOrg: h\r\n"), SPAN("no colon\r\n"),      SPAN("X-: x\r\n"),
        SPAN("Postern-Status: b\r\n"),  SPAN("Received: from\r\n")
    };
    static const bool stays[COUNTOF(lines)] = { true,  true, true, false, false, true,
                                                false, true, true, true,  true };
    struct rng r;
    rng_init(&r, 16);
    for (int i = 0; i < 5000; i++) {
        struct firewall f;
        struct buf in, want, out;
        buf_init(&in, OUT_MAX);
        buf_init(&want, OUT_MAX);
        buf_init(&out, OUT_MAX);
        bool kept = true;
        for (int k = 0; k < 12; k++) {
            size_t line = rng_below(&r, COUNTOF(lines));
            kept = line == 1 || line == 2 ? kept : stays[line];
            buf_put(&in, lines[line]);
            buf_put(&want, kept ? lines[line] : SPAN_NONE);
        }
        init(&f, FIREWALL_STRIP);
        feed(&f, buf_span(&in), &out);
        finish(&f, &out);
        CHECK_SPAN(buf_span(&out), buf_span(&want));
        buf_done(&in);
        buf_done(&want);
        buf_done(&out);
    }
}

/* --- size --- */

/* Behind the section the pieces are the input itself. */
TEST(firewall_body_passes_as_it_is)
{
    enum { HEADER = sizeof "Subject: x\r\n\r\n" - 1, BODY = 1024 * 1024, PIECE = 16 * 1024 };
    static char text[HEADER + BODY];
    struct firewall f;
    struct rng r;
    rng_init(&r, 17);
    memcpy(text, "Subject: x\r\n\r\n", HEADER);
    for (size_t i = HEADER; i < sizeof text; i++)
        text[i] = (char)rng_below(&r, 256);
    init(&f, FIREWALL_STRIP);
    for (size_t at = 0; at < sizeof text; at += PIECE) {
        size_t n = sizeof text - at < PIECE ? sizeof text - at : PIECE;
        struct span in = span_of(text + at, n), piece;
        CHECK(firewall_next(&f, &in, &piece));
        CHECK(piece.p == text + at);
        CHECK_NUM(piece.n, n);
        CHECK(!firewall_next(&f, &in, &piece));
    }
    struct span last;
    CHECK(!firewall_end(&f, &last));
    CHECK_NUM(f.removed, 0);
}

TEST(t14_firewall_huge_fields)
{
    enum { LINES = 20000 };
    struct firewall f;
    struct buf out, want;
    buf_init(&out, OUT_MAX);
    buf_init(&want, OUT_MAX);
    init(&f, FIREWALL_STRIP);
    feed(&f, SPAN(CROSS), &out);
    for (int i = 0; i < LINES; i++)
        feed(&f, SPAN(X100 "\r\n "), &out);
    CHECK_NUM(out.n, 0);
    feed(&f, SPAN("\r\nSubject: "), &out);
    buf_put(&want, SPAN("Subject: "));
    for (int i = 0; i < LINES; i++) {
        feed(&f, SPAN(X100), &out);
        buf_put(&want, SPAN(X100));
    }
    feed(&f, SPAN("\r\n"), &out);
    for (int i = 0; i < LINES; i++)
        feed(&f, SPAN("X-MS-Exchange-Organization-A: 1\r\nX: 2\r\n"), &out);
    buf_put(&want, SPAN("\r\n"));
    for (int i = 0; i < LINES; i++)
        buf_put(&want, SPAN("X: 2\r\n"));
    finish(&f, &out);
    CHECK(span_eq(buf_span(&out), buf_span(&want)));
    CHECK_NUM(f.removed, 1 + LINES);
    buf_done(&out);
    buf_done(&want);
}
