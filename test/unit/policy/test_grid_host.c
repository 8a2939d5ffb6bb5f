/* The grid of what destinations publish: what is asked here (connector, DANE and MTA-STS modes,
 * REQUIRETLS, TLS-Required: No) against what facts say of one host (TLSA, security of the MX,
 * MTA-STS) against all that the host may show. test/grid/host.ref says what is done, an oracle
 * written from the sentences of the RFCs says the same, and laws hold over all of it.
 *
 * What hosts may show is a vector of outcomes; equal vectors are a class. The file has the classes,
 * with their outcomes in full, and then a table of which class each case is in. golden.h says how
 * the file is written anew. */
#include "policy/decide.h"
#include "test/golden.h"
#include "test/test.h"
#include <stdio.h>

/* --- what is asked */

enum demand { OPEN, ENCRYPT, CERTIFICATE, DOMAIN, DEMANDS };
enum { MESSAGES = 4 };

static const char *const demand_names[DEMANDS] = { "none", "encrypt", "certificate", "domain" };
static const char *const message_names[MESSAGES] = { "-", "no", "requiretls", "requiretls,no" };

struct asked {
    enum demand demand;
    enum dane_mode dane;
    enum sts_mode sts;
    bool requiretls, no;
};

/* --- what is known */

enum records { NOT_ASKED, NONE, USABLE, UNUSABLE, FAILED, BOGUS, TLSAS };
enum way { INSECURE, SECURE, CONFIGURED, MXS };
enum listing {
    S_NOT_ASKED,
    S_NONE,
    S_FAILED,
    S_TESTING,
    S_TESTING_OTHER,
    LISTED,
    OTHER,
    UNTOLD,
    STSS
};

static const char *const tlsa_names[TLSAS] = { "not-asked", "none",   "usable",
                                               "unusable",  "failed", "bogus" };

struct known {
    enum records tlsa;
    enum way mx;
    enum listing sts;
};

enum {
    ASKED = DEMANDS * DANE_MODE_COUNT_ * STS_MODE_COUNT_ * MESSAGES,
    KNOWN = TLSAS * MXS * STSS
};

static unsigned take(unsigned *i, unsigned n)
{
    unsigned digit = *i % n;
    *i /= n;
    return digit;
}

static struct asked asked_at(unsigned i)
{
    struct asked a;
    unsigned message = take(&i, MESSAGES);
    a.no = message % 2;
    a.requiretls = message / 2;
    a.sts = (enum sts_mode)take(&i, STS_MODE_COUNT_);
    a.dane = (enum dane_mode)take(&i, DANE_MODE_COUNT_);
    a.demand = (enum demand)i;
    ASSERT(a.demand < DEMANDS);
    return a;
}

static struct known known_at(unsigned i)
{
    struct known k;
    k.sts = (enum listing)take(&i, STSS);
    k.mx = (enum way)take(&i, MXS);
    k.tlsa = (enum records)i;
    ASSERT(k.tlsa < TLSAS);
    return k;
}

/* --- what is shown */

enum chain { CHAIN_OK, CHAIN_EXPIRED, CHAIN_BAD, CHAINS };
enum { CERTS = CHAINS * 2 * TLS_DANE_COUNT_, CELLS = 2 + CERTS };

/* Cell 0: no STARTTLS. 1: the handshake fails. Then each certificate. */
struct shown {
    bool starttls, handshake;
    enum chain chain;
    bool named;
    enum tls_dane dane;
};

static struct shown shown_at(unsigned i)
{
    struct shown s = { .starttls = i > 0, .handshake = i > 1 };
    if (i < 2)
        return s;
    i -= 2;
    s.dane = (enum tls_dane)take(&i, TLS_DANE_COUNT_);
    s.named = take(&i, 2);
    s.chain = (enum chain)i;
    ASSERT(i < CHAINS);
    return s;
}

enum outcome { BY_TLS, IN_CLEAR, REFUSED, BARRED, OUTCOMES };
static const char outcome_letters[] = "tc.x";

/* --- what is done */

static char digest_bytes[32];

static void facts_of(const struct known *k, struct facts *ret)
{
    static const enum tlsa_state states[TLSAS] = {
        [NOT_ASKED] = TLSA_NOT_ASKED, [NONE] = TLSA_NONE,     [USABLE] = TLSA_FOUND,
        [UNUSABLE] = TLSA_FOUND,      [FAILED] = TLSA_FAILED, [BOGUS] = TLSA_BOGUS,
    };
    static const enum sts_state sts[STSS] = {
        [S_NOT_ASKED] = STS_NOT_ASKED,   [S_NONE] = STS_NONE,
        [S_FAILED] = STS_FAILED,         [S_TESTING] = STS_TESTING,
        [S_TESTING_OTHER] = STS_TESTING, [LISTED] = STS_ENFORCE,
        [OTHER] = STS_ENFORCE,           [UNTOLD] = STS_ENFORCE,
    };
    struct host_facts *h = &ret->host[0];
    *ret = (struct facts){ .domain = SPAN("example.org"),
                           .configured = k->mx == CONFIGURED,
                           .has_mx = TRI_YES,
                           .domain_exists = TRI_YES,
                           .n_host = 1 };
    h->name = SPAN("mx.example.org");
    h->has_ip = TRI_YES;
    h->n_ip = 1;
    h->ip[0].family = IP_V4;
    h->mx_security = k->mx == SECURE ? SECURITY_SECURE : SECURITY_INSECURE;
    h->ip_security = SECURITY_SECURE;
    h->tlsa_state = states[k->tlsa];
    h->tlsa.n = k->tlsa == USABLE;
    h->tlsa.n_unusable = k->tlsa == UNUSABLE;
    h->tlsa.record[0] = (struct tlsa){
        TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA256, { digest_bytes, sizeof digest_bytes }
    };
    h->sts = sts[k->sts];
    h->sts_match = k->sts == LISTED || k->sts == S_TESTING        ? TRI_YES
                   : k->sts == OTHER || k->sts == S_TESTING_OTHER ? TRI_NO
                                                                  : TRI_UNKNOWN;
}

static struct contract contract_of(const struct asked *a)
{
    static const enum tls_need needs[DEMANDS] = {
        [OPEN] = TLS_NEED_TRY,
        [ENCRYPT] = TLS_NEED_ENCRYPT,
        [CERTIFICATE] = TLS_NEED_CHAIN,
        [DOMAIN] = TLS_NEED_NAME,
    };
    struct route r = { .kind = ROUTE_MX, .contract = contract_none() };
    struct message_facts m = { .requiretls = a->requiretls, .tls_required_no = a->no };
    r.contract.need = needs[a->demand];
    r.contract.dane = a->dane;
    r.contract.sts = a->sts;
    return decide_contract(&r, &m);
}

static enum outcome outcome_of(const struct verdict *plan, const struct shown *s)
{
    struct host_facts h = { .connected = TRI_YES,
                            .starttls_offered = s->starttls ? TRI_YES : TRI_NO };
    struct tls_facts tls = { .on = true,
                             .version = SPAN("TLSv1.3"),
                             .forward_secret = true,
                             .peer_cert = true,
                             .chain_ok = s->chain == CHAIN_OK,
                             .expired = s->chain == CHAIN_EXPIRED,
                             .name_ok = s->named,
                             .dane = s->dane };
    if (plan->step == STEP_NEXT_HOST)
        return BARRED;
    CHECK(plan->step == STEP_CONNECT);
    struct verdict v = decide_greeted(&plan->contract, &h);
    if (v.step == STEP_STARTTLS) {
        h.handshake = s->handshake ? TRI_YES : TRI_NO;
        v = decide_secured(&plan->contract, &h, s->handshake ? &tls : NULL);
        if (v.step == STEP_SEND)
            return BY_TLS;
    }
    if (v.step == STEP_PLAINTEXT)
        v = decide_greeted(&plan->contract, &h);
    CHECK(v.step == STEP_SEND || (v.step == STEP_NEXT_HOST && v.reply.status.class == 4));
    return v.step == STEP_SEND ? IN_CLEAR : REFUSED;
}

static void outcomes(const struct asked *a, const struct known *k, char ret[static CELLS + 1])
{
    struct facts f;
    struct contract base = contract_of(a);
    facts_of(k, &f);
    struct verdict plan = decide_plan(&base, &f, 0);
    for (unsigned i = 0; i < CELLS; i++) {
        struct shown s = shown_at(i);
        ret[i] = outcome_letters[outcome_of(&plan, &s)];
    }
    ret[CELLS] = '\0';
}

/* --- the oracle: sentences, one by one; nothing of decide_host.c */

struct oracle {
    bool may_not; /* no channel will do */
    bool tls, record, chain, name;
};

static void oracle_dane(const struct known *k, bool mandatory, struct oracle *o)
{
    bool proven_way = k->mx != INSECURE;
    /* = RFC 7672 2.1.2: "If any DNS queries used to locate TLSA records fail (due to "bogus" or
     * "indeterminate" records, timeouts, malformed replies, ServFails, etc.), then the SMTP client
     * MUST treat that server as unreachable" */
    if (k->tlsa == FAILED || k->tlsa == BOGUS)
        o->may_not = true;
    /* RFC 7672 2.2: with a usable record the server must be authenticated by one. */
    if (k->tlsa == USABLE)
        o->tls = o->record = true;
    /* RFC 7672 2.2: with none that is usable, TLS is mandatory and authentication is not. */
    if (k->tlsa == UNUSABLE)
        o->tls = true;
    /* RFC 7672 6: mandatory DANE: delayed until usable records and a secure MX are there */
    if (mandatory && (k->tlsa != USABLE || !proven_way))
        o->may_not = true;
}

static void oracle_sts(const struct known *k, struct oracle *o)
{
    bool enforce = k->sts == LISTED || k->sts == OTHER || k->sts == UNTOLD;
    /* = RFC 8461 5: "MUST NOT deliver the message to hosts that fail MX matching or certificate
     * validation or that do not support STARTTLS" */
    if (enforce && k->sts != LISTED)
        o->may_not = true;
    if (enforce)
        o->tls = o->chain = o->name = true;
}

static struct oracle oracle_of(const struct asked *a, const struct known *k)
{
    /* RFC 8689 4.1: with REQUIRETLS the field is ignored; 5: else recipients' policies are */
    bool ignore = a->no && !a->requiretls;
    bool dane = a->dane == DANE_MANDATORY || (a->dane == DANE_OPPORTUNISTIC && !ignore);
    bool sts = a->sts == STS_OPPORTUNISTIC && !ignore;
    struct oracle o = { .tls = a->demand >= ENCRYPT || a->requiretls,
                        .chain = a->demand >= CERTIFICATE,
                        .name = a->demand >= DOMAIN };
    bool proves = dane && k->tlsa == USABLE && k->mx != INSECURE;
    if (dane)
        oracle_dane(k, a->dane == DANE_MANDATORY, &o);
    /* RFC 8461 2: DANE that can be used goes before MTA-STS */
    if (sts && !proves)
        oracle_sts(k, &o);
    if (!a->requiretls)
        return o;
    /* RFC 8689 4.2.1: the host by DNSSEC or MTA-STS; its certificate by DANE or by chain and name
     */
    if (k->mx == INSECURE && k->sts != LISTED)
        o.may_not = true;
    if (!(dane && k->tlsa == USABLE))
        o.chain = o.name = true;
    return o;
}

static enum outcome oracle_outcome(const struct oracle *o, const struct shown *s)
{
    bool match = s->dane == TLS_DANE_EE || s->dane == TLS_DANE_TA;
    if (o->may_not)
        return BARRED;
    if (!s->starttls || !s->handshake)
        return o->tls ? REFUSED : IN_CLEAR;
    if ((o->record && !match) || (o->chain && s->chain != CHAIN_OK) || (o->name && !s->named))
        return REFUSED;
    return BY_TLS;
}

TEST(grid_host_agrees_with_oracle)
{
    unsigned cells = 0;
    for (unsigned i = 0; i < ASKED; i++) {
        for (unsigned n = 0; n < KNOWN; n++) {
            struct asked a = asked_at(i);
            struct known k = known_at(n);
            struct oracle o = oracle_of(&a, &k);
            char got[CELLS + 1], want[CELLS + 1] = { 0 };
            outcomes(&a, &k, got);
            for (unsigned c = 0; c < CELLS; c++, cells++) {
                struct shown s = shown_at(c);
                want[c] = outcome_letters[oracle_outcome(&o, &s)];
            }
            CHECK_Z(span_z(got), want);
        }
    }
    printf("  grid: %u cells of %u x %u cases, each as the RFCs say\n", cells, ASKED, KNOWN);
}

/* --- laws */

/* Every cell that lets mail pass in `more` lets it pass in `less`, and in clear only where it did.
 */
static bool no_more(const char *more, const char *less)
{
    for (unsigned i = 0; i < CELLS; i++) {
        bool passes = more[i] == 't' || more[i] == 'c';
        if ((passes && less[i] != 't' && less[i] != 'c') || (more[i] == 'c' && less[i] != 'c'))
            return false;
    }
    return true;
}

/* Whatever is raised here, nothing more passes: demand, DANE, MTA-STS, REQUIRETLS. But DANE goes
 * before MTA-STS, and does for REQUIRETLS: records may then do what chain and name had to do. */
TEST(grid_host_a_restriction_never_admits_more)
{
    unsigned cases = 0;
    for (unsigned i = 0; i < ASKED * KNOWN; i++, cases++) {
        struct asked a = asked_at(i % ASKED), strict = a;
        struct known k = known_at(i / ASKED);
        char less[CELLS + 1], more[CELLS + 1];
        outcomes(&a, &k, less);
        for (unsigned what = 0; what < 4; what++) {
            strict = a;
            if (what == 0 && a.demand + 1 < DEMANDS)
                strict.demand = (enum demand)(a.demand + 1);
            if (what == 1 && a.dane + 1 < DANE_MODE_COUNT_)
                strict.dane = (enum dane_mode)(a.dane + 1);
            if (what == 2)
                strict.no = false;
            if (what == 3)
                strict.requiretls = true;
            outcomes(&strict, &k, more);
            CHECK(no_more(more, less) || (what == 1 && (a.sts != STS_OFF || a.requiretls)));
        }
        strict = a;
        strict.sts = STS_OPPORTUNISTIC;
        outcomes(&strict, &k, more);
        CHECK(no_more(more, less));
    }
    printf("  grid: asking for more admits no more: %u cases\n", cases);
}

/* What facts add only adds: a contract that is off is the least of all. */
TEST(grid_host_facts_never_lower)
{
    unsigned cases = 0;
    for (unsigned i = 0; i < ASKED * KNOWN; i++, cases++) {
        struct asked a = asked_at(i % ASKED);
        struct known k = known_at(i / ASKED);
        struct facts f;
        struct contract base = contract_of(&a);
        facts_of(&k, &f);
        struct contract host = decide_host_contract(&base, &f, 0);
        struct contract again = contract_join(host, base);
        CHECK(contract_at_least(&host, &base));
        CHECK(contract_eq(&again, &host));
    }
    printf("  grid: facts only raise: %u cases\n", cases);
}

TEST(grid_host_dane_and_sts_laws)
{
    unsigned cases = 0, usable = 0, failed = 0, clear = 0;
    for (unsigned i = 0; i < ASKED * KNOWN; i++, cases++) {
        struct asked a = asked_at(i % ASKED), other;
        struct known k = known_at(i / ASKED), none = k;
        char got[CELLS + 1], with[CELLS + 1];
        bool obeyed = contract_of(&a).dane != DANE_OFF;
        outcomes(&a, &k, got);
        /* a usable set never yields plaintext, nor do unusable records */
        if (obeyed && (k.tlsa == USABLE || k.tlsa == UNUSABLE)) {
            usable++;
            CHECK(strchr(got, 'c') == NULL);
        }
        /* MTA-STS never rescues a DANE failure: with it nothing passes that does not without */
        other = a;
        other.sts = STS_OFF;
        outcomes(&other, &k, with);
        failed++;
        CHECK(no_more(got, with));
        if (obeyed && (k.tlsa == FAILED || k.tlsa == BOGUS))
            CHECK(strspn(got, "x") == CELLS);
        /* testing changes nothing that is sent, nor does a policy that cannot be had */
        if (k.sts == S_TESTING || k.sts == S_TESTING_OTHER || k.sts == S_FAILED) {
            none.sts = S_NONE;
            outcomes(&a, &none, with);
            CHECK_Z(span_z(got), with);
        }
        /* plaintext only where nobody here asks for TLS */
        if (strchr(got, 'c')) {
            clear++;
            CHECK(a.demand == OPEN && !a.requiretls);
        }
        /* TLS-Required: No never lowers a connector, nor REQUIRETLS, nor mandatory DANE */
        if (a.no) {
            other = a;
            other.no = false;
            if (!a.requiretls) {
                other.dane = a.dane == DANE_MANDATORY ? DANE_MANDATORY : DANE_OFF;
                other.sts = STS_OFF;
            }
            outcomes(&other, &k, with);
            CHECK(no_more(got, with));
        }
    }
    printf("  grid: laws of DANE and MTA-STS: %u cases, %u of records, %u in clear\n", cases,
           usable, clear);
    CHECK(failed == cases);
}

/* Where nothing was looked up all is as it was without DANE and MTA-STS, but for what is mandatory.
 */
TEST(grid_host_not_asked_changes_nothing)
{
    for (unsigned i = 0; i < ASKED * MXS; i++) {
        struct asked a = asked_at(i % ASKED), off = a;
        struct known k = { NOT_ASKED, (enum way)(i / ASKED), S_NOT_ASKED };
        char got[CELLS + 1], want[CELLS + 1];
        off.dane = DANE_OFF;
        off.sts = STS_OFF;
        outcomes(&a, &k, got);
        outcomes(&off, &k, want);
        if (a.dane == DANE_MANDATORY)
            CHECK(strspn(got, "x") == CELLS);
        else
            CHECK_Z(span_z(got), want);
    }
}

/* --- the file */

enum { CLASSES_MAX = 60 };

struct classes {
    char outcome[CLASSES_MAX][CELLS + 1];
    unsigned members[CLASSES_MAX], n;
};

static char class_of(struct classes *all, const char *outcome)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567";
    unsigned i = 0;
    while (i < all->n && strcmp(all->outcome[i], outcome) != 0)
        i++;
    ASSERT(i < CLASSES_MAX);
    if (i == all->n)
        memcpy(all->outcome[all->n++], outcome, CELLS + 1);
    all->members[i]++;
    return letters[i];
}

static void print_table(struct classes *all, struct buf *out)
{
    buf_put(out, SPAN("# demand, dane, mta_sts, message | TLSA -> classes with insecure MX, secure "
                      "MX, configured host; each by MTA-STS: not asked, none, failed, testing, "
                      "testing and not listed, enforce, enforce and not listed, and untold\n"));
    for (unsigned i = 0; i < ASKED; i++) {
        struct asked a = asked_at(i);
        for (unsigned n = 0; n < KNOWN; n++) {
            struct known k = known_at(n);
            char outcome[CELLS + 1];
            outcomes(&a, &k, outcome);
            if (n % (MXS * STSS) == 0)
                buf_putf(out, "%-11s %-13s %-13s %-13s | %-9s ->", demand_names[a.demand],
                         dane_mode_name(a.dane), sts_mode_name(a.sts),
                         message_names[a.requiretls * 2 + a.no], tlsa_names[k.tlsa]);
            buf_putf(out, "%s%c", k.sts == 0 ? " " : "", class_of(all, outcome));
            if (n % (MXS * STSS) == MXS * STSS - 1)
                buf_put(out, SPAN("\n"));
        }
    }
}

static void print_classes(const struct classes *all, struct buf *out)
{
    buf_put(out,
            SPAN("# class, cases | no STARTTLS, handshake fails | chain ok, expired, bad: each "
                 "without and with the host's name, and of these TLSA unknown, no match, EE, "
                 "TA, TA expired, TA name | t by TLS, c in clear, . refused, x not tried\n"));
    for (unsigned i = 0; i < all->n; i++) {
        struct classes one = *all;
        const char *o = all->outcome[i];
        buf_putf(out, "%c %5u | %.2s |", class_of(&one, o), all->members[i], o);
        for (unsigned k = 2; k < CELLS; k += TLS_DANE_COUNT_)
            buf_putf(out, " %.*s", TLS_DANE_COUNT_, o + k);
        buf_put(out, SPAN("\n"));
    }
}

TEST(grid_host_is_golden)
{
    static struct classes all;
    struct buf table, out;
    buf_init(&table, 2 << 20);
    buf_init(&out, 2 << 20);
    memset(&all, 0, sizeof all);
    print_table(&all, &table);
    print_classes(&all, &out);
    buf_put(&out, buf_span(&table));
    golden_check("test/grid/host.ref", buf_span(&out));
    printf("  grid: %u classes of outcomes\n", all.n);
    buf_done(&table);
    buf_done(&out);
}
