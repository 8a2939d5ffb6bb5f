/* Read step first: one byte at a time, so that no cut can matter. */
#include "mail/firewall.h"

#include "mail/addr.h"

enum state {
    STATE_LINE_START, /* of a field, of a folded line, or of the end */
    STATE_EMPTY_CR,   /* a line that is empty so far, and a CR */
    STATE_TEXT,       /* a line whose fate is known: dropping says it */
    STATE_TEXT_CR,
    STATE_NAME, /* held: the start of a name that may be one of the table */
    STATE_NAME_END,
    STATE_REST,  /* held: such a name, to be renamed when its colon comes */
    STATE_VALUE, /* held: a field whose value decides */
    STATE_VALUE_END,
    STATE_BODY, /* the section is over */
};

/* What becomes of the byte that step looked at. */
enum fate {
    FATE_KEEP,
    FATE_DROP,
    FATE_HOLD,
    FATE_FLUSH, /* what is held is kept; look at the byte again behind it */
};

enum act { ACT_REMOVE, ACT_RENAME, ACT_JUDGE, ACT_SEAL };

#define ORGANIZATION "X-MS-Exchange-Organization-"
#define CROSS_PREMISES "X-MS-Exchange-CrossPremises-"

/* None begins with another, and none is longer than what can be held. */
static const struct {
    struct span name;
    enum act act[FIREWALL_MODE_COUNT_];
} names[] = {
    { SPAN(ORGANIZATION), { ACT_REMOVE, ACT_REMOVE, ACT_RENAME } },
    { SPAN(CROSS_PREMISES), { ACT_REMOVE, ACT_RENAME, ACT_REMOVE } },
    { SPAN("X-MS-Exchange-Forest-"), { ACT_REMOVE, ACT_REMOVE, ACT_REMOVE } },
    { SPAN("Postern-Attribution"), { ACT_SEAL, ACT_SEAL, ACT_SEAL } },
    { SPAN("X-OriginatorOrg:"), { ACT_REMOVE, ACT_JUDGE, ACT_JUDGE } },
};

void firewall_init(struct firewall *f, enum firewall_mode mode, const struct span *domain,
                   unsigned n_domain)
{
    ASSERT(mode < FIREWALL_MODE_COUNT_);
    ASSERT(n_domain == 0 || mode != FIREWALL_STRIP);
    *f = (struct firewall){
        .mode = mode,
        .domain = domain,
        .n_domain = n_domain,
        .state = STATE_LINE_START,
        .crlf = true,
    };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_end(char c)
{
    return c == '\r' || c == '\n';
}

/* Some reader may skip it inside of a name. */
static bool is_skipped(char c)
{
    return (c >= 0 && c <= ' ') || c == 127;
}

/* --- lines whose fate is known --- */

static enum fate keep_or_drop(const struct firewall *f)
{
    return f->dropping ? FATE_DROP : FATE_KEEP;
}

static void end_line(struct firewall *f, bool crlf)
{
    if (!f->dropping)
        f->crlf = crlf;
    f->state = STATE_LINE_START;
}

static enum fate text_byte(struct firewall *f, char c)
{
    if (c == '\r')
        f->state = STATE_TEXT_CR;
    if (c == '\n')
        end_line(f, false);
    return keep_or_drop(f);
}

/* --- what is held until it is decided --- */

static void drop(struct firewall *f)
{
    f->removed++;
    f->foreign += f->state == STATE_VALUE || f->state == STATE_VALUE_END;
    f->hold_n = 0;
    f->dropping = true;
}

static enum fate drop_held(struct firewall *f, char c)
{
    drop(f);
    f->state = STATE_TEXT;
    return text_byte(f, c);
}

static enum fate keep_held(struct firewall *f, char c)
{
    f->state = STATE_TEXT;
    return f->hold_n > 0 ? FATE_FLUSH : text_byte(f, c);
}

static enum fate hold(struct firewall *f, char c)
{
    if (f->hold_n == FIREWALL_HOLD_MAX)
        return drop_held(f, c);
    f->hold[f->hold_n++] = c;
    return FATE_HOLD;
}

static struct span held(const struct firewall *f)
{
    return span_of(f->hold, f->hold_n);
}

/* The name became one of the table. */
static enum fate act_on(struct firewall *f, enum act act, char c)
{
    if (act == ACT_SEAL) {
        f->sealed++;
        act = ACT_REMOVE;
    }
    if (act != ACT_REMOVE)
        f->state = act == ACT_RENAME ? STATE_REST : STATE_VALUE;
    return act != ACT_REMOVE && f->clean ? hold(f, c) : drop_held(f, c);
}

static enum fate name_byte(struct firewall *f, char c)
{
    if (is_end(c)) {
        f->state = STATE_NAME_END;
        return hold(f, c);
    }
    if (is_skipped(c)) {
        f->clean = false;
        return hold(f, c);
    }
    unsigned fits = 0;
    for (unsigned i = 0; i < COUNTOF(names); i++)
        if (f->maybe & 1U << i && ascii_lower(names[i].name.p[f->name_n]) == ascii_lower(c))
            fits |= 1U << i;
    f->maybe = fits;
    f->name_n++;
    for (unsigned i = 0; i < COUNTOF(names); i++)
        if (fits & 1U << i && names[i].name.n == f->name_n)
            return act_on(f, names[i].act[f->mode], c);
    return fits ? hold(f, c) : keep_held(f, c);
}

static void rename_held(struct firewall *f)
{
    bool promote = f->mode == FIREWALL_PROMOTE;
    struct span from = promote ? SPAN(CROSS_PREMISES) : SPAN(ORGANIZATION);
    struct span to = promote ? SPAN(ORGANIZATION) : SPAN(CROSS_PREMISES);
    ASSERT(f->hold_n > from.n && f->hold_n - from.n + to.n <= sizeof f->hold);
    memmove(f->hold + to.n, f->hold + from.n, f->hold_n - from.n);
    memcpy(f->hold, to.p, to.n);
    f->hold_n = f->hold_n - from.n + to.n;
    f->renamed++;
}

/* Only what no reader can take for another name is renamed. */
static enum fate rest_byte(struct firewall *f, char c)
{
    if (c == ':' && f->hold_n > f->name_n) {
        rename_held(f);
        return keep_held(f, c);
    }
    return c > ' ' && c < 127 && c != ':' ? hold(f, c) : drop_held(f, c);
}

static enum fate value_byte(struct firewall *f, char c)
{
    if (is_end(c))
        f->state = STATE_VALUE_END;
    return hold(f, c);
}

/* Folds around it are allowed. */
static struct span held_value(const struct firewall *f)
{
    struct span value = held(f);
    (void)span_cut(&value, ':');
    while (value.n > 0 && (is_blank(value.p[0]) || is_end(value.p[0])))
        value = span_tail(value, 1);
    while (value.n > 0 && (is_blank(value.p[value.n - 1]) || is_end(value.p[value.n - 1])))
        value.n--;
    return value;
}

/* In form too: no comment, no wildcard. */
static bool value_is_ours(const struct firewall *f)
{
    struct span value = held_value(f);
    for (unsigned i = 0; i < f->n_domain; i++)
        if (domain_valid(value, false) && domain_match(f->domain[i], value))
            return true;
    return false;
}

/* What is held is whole: lines without a colon, or a field. true: it is kept. */
static bool judge_held(struct firewall *f)
{
    if (f->state == STATE_NAME || f->state == STATE_NAME_END)
        return true;
    bool ours = value_is_ours(f);
    f->own += ours;
    return ours;
}

/* --- where lines start --- */

static enum fate line_start(struct firewall *f, char c)
{
    f->state = STATE_TEXT;
    if (is_blank(c))
        return keep_or_drop(f);
    if (c == '\n') { /* behind a removed field it goes too: a CR before that one would take it */
        end_line(f, false);
        return keep_or_drop(f);
    }
    f->dropping = false;
    if (c == '\r') {
        f->state = STATE_EMPTY_CR;
        return FATE_KEEP;
    }
    f->state = STATE_NAME;
    f->clean = true;
    f->maybe = (1U << COUNTOF(names)) - 1;
    f->name_n = 0;
    return name_byte(f, c);
}

static enum fate after_cr(struct firewall *f, char c, enum state after_lf)
{
    end_line(f, c == '\n');
    if (c != '\n')
        return line_start(f, c);
    f->state = after_lf;
    return keep_or_drop(f);
}

/* A line end was held: is the next line a folded one? */
static enum fate after_held_line(struct firewall *f, char c)
{
    bool cr = f->hold[f->hold_n - 1] == '\r';
    if (c == '\n' && cr)
        return hold(f, c);
    if (is_blank(c)) {
        f->clean = false;
        f->state = f->state == STATE_NAME_END ? STATE_NAME : STATE_VALUE;
        return hold(f, c);
    }
    if (judge_held(f)) {
        end_line(f, f->hold_n > 1 && !cr && f->hold[f->hold_n - 2] == '\r');
        return FATE_FLUSH;
    }
    drop(f);
    return line_start(f, c);
}

static enum fate step(struct firewall *f, char c)
{
    switch ((enum state)f->state) {
    case STATE_LINE_START:
        return line_start(f, c);
    case STATE_EMPTY_CR:
        return after_cr(f, c, f->crlf ? STATE_BODY : STATE_LINE_START);
    case STATE_TEXT:
        return text_byte(f, c);
    case STATE_TEXT_CR:
        return after_cr(f, c, STATE_LINE_START);
    case STATE_NAME:
        return name_byte(f, c);
    case STATE_REST:
        return rest_byte(f, c);
    case STATE_VALUE:
        return value_byte(f, c);
    case STATE_NAME_END:
    case STATE_VALUE_END:
        return after_held_line(f, c);
    case STATE_BODY:
        break;
    }
    ASSERT(!"a step behind the header section");
    return FATE_KEEP;
}

/* The bytes at the front of *in that are kept are cut off, and one that is eaten behind them. */
static struct span take_kept(struct firewall *f, struct span *in)
{
    size_t n = 0;
    enum fate fate = FATE_KEEP;
    while (n < in->n && f->state != STATE_BODY && fate == FATE_KEEP) {
        fate = step(f, in->p[n]);
        n += fate == FATE_KEEP;
    }
    if (fate == FATE_KEEP && f->state == STATE_BODY)
        n = in->n;
    struct span kept = span_head(*in, n);
    *in = span_tail(*in, n + (fate == FATE_DROP || fate == FATE_HOLD));
    f->flush = fate == FATE_FLUSH;
    return kept;
}

static struct span take_held(struct firewall *f)
{
    struct span piece = held(f);
    f->hold_n = 0;
    f->flush = false;
    return piece;
}

bool firewall_next(struct firewall *f, struct span *in, struct span *ret)
{
    struct span piece = SPAN_NONE;
    while (piece.n == 0 && (f->flush || in->n > 0))
        piece = f->flush ? take_held(f) : take_kept(f, in);
    if (piece.n > 0)
        *ret = piece;
    return piece.n > 0;
}

bool firewall_open(const struct firewall *f)
{
    return f->state == STATE_BODY;
}

bool firewall_end(struct firewall *f, struct span *ret)
{
    ASSERT(!f->flush);
    struct span last = SPAN_NONE;
    if (f->hold_n > 0 && f->state != STATE_REST && judge_held(f))
        last = take_held(f);
    if (f->hold_n > 0)
        drop(f);
    f->state = STATE_BODY;
    if (last.n > 0)
        *ret = last;
    return last.n > 0;
}
