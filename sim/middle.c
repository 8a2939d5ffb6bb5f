/* The man in the middle who takes STARTTLS away. He knows lines, and nothing of what is in them but
 * that word; once TLS runs he sees noise and passes it on. */
#include "sim/net.h"

enum { HELD_MAX = 600 };

struct middle {
    bool edits, answers; /* takes the word out of replies; answers the command */
    struct buf held[2];  /* the beginning of a line, by who sent it */
    bool inside[2];      /* of a line that was passed on in part */
};

static struct span nothing(const char *what)
{
    tell("the one in the middle %s", what);
    return SPAN_NONE;
}

struct middle *middle_new(void)
{
    struct middle *m = NEW(struct middle);
    m->edits = draw(3) > 0;
    m->answers = !m->edits || draw(2);
    for (unsigned i = 0; i < 2; i++)
        buf_init(&m->held[i], 2 * HELD_MAX);
    return m;
}

static void pass_line(struct middle *m, unsigned from, struct buf *on, struct buf *back)
{
    struct span line = buf_span(&m->held[from]);
    bool whole = line.n > 0 && line.p[line.n - 1] == '\n';
    bool word = !m->inside[from] && whole;
    m->inside[from] = !whole;
    if (word && from == SIDE_CALLED && m->edits && span_eq_nocase(line, SPAN("250-STARTTLS\r\n")))
        line = nothing("takes STARTTLS out of the reply");
    else if (word && from == SIDE_CALLED && m->edits &&
             span_eq_nocase(line, SPAN("250 STARTTLS\r\n")))
        line = SPAN("250 XSTRIPPED\r\n");
    else if (word && from == SIDE_CALLER && m->answers &&
             span_eq_nocase(line, SPAN("STARTTLS\r\n"))) {
        buf_put(back, SPAN("454 4.7.0 TLS not available due to temporary reason\r\n"));
        line = nothing("answers STARTTLS with 454");
    }
    buf_put(on, line);
    buf_clear(&m->held[from]);
}

/* Could this still become a line that matters? */
static bool worth_holding(const struct middle *m, unsigned from)
{
    static const struct span words[2] = { SPAN("STARTTLS\r\n"), SPAN("250-STARTTLS\r\n") };
    struct span s = buf_span(&m->held[from]);
    if (m->inside[from] || s.n >= words[from].n)
        return false;
    if (from == SIDE_CALLED && s.n == 4 && s.p[3] == ' ')
        return true;
    for (size_t i = 0; i < s.n; i++) {
        bool same = ascii_lower(s.p[i]) == ascii_lower(words[from].p[i]);
        if (!same && !(from == SIDE_CALLED && i == 3 && s.p[i] == ' '))
            return false;
    }
    return true;
}

void middle_pass(struct middle *m, unsigned from, struct span bytes, struct buf *on,
                 struct buf *back)
{
    for (size_t i = 0; i < bytes.n; i++) {
        buf_put(&m->held[from], span_of(bytes.p + i, 1));
        if (bytes.p[i] == '\n' || !worth_holding(m, from))
            pass_line(m, from, on, back);
    }
}
