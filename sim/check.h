/* check.h - watches from outside that what must hold does (the invariants by number: README.md),
 * with an oracle of its own that knows nothing of policy/ or proto/.
 *
 * Each mail that a client sends has a key, "xq00017", in its envelope and on every line of its
 * body, so that a look at any bytes tells whose they are; recipients are "xq00017-r0@...", the
 * sender is "xq00017-s@home.test". One key is sent once: whatever is answered, a client never tries
 * it again.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "gate/worker.h"
#include "sim/net.h"
#include "sim/town.h"

enum { CHECK_RCPTS_MAX = 8 };

/* --- mails, as their clients tell of them --- */

struct letter_rcpt {
    struct town_domain *domain;
    bool taken;      /* the gateway said 250 to RCPT */
    bool refused;    /* its host says 550, always */
    bool greylisted; /* its host said "later" once */
    bool may_bounce; /* a host refused it for good */
    unsigned copies;
    /* the latest copy */
    struct wire_end *copy_end; /* the gateway's end of the wire that it came by */
    uint64_t copy_reply_end;   /* offset there of the end of its 250; 0: not said yet */
    int64_t copy_us, copy_read_us;
    unsigned copy_life;
};

struct letter {
    unsigned key;
    bool null_from, local_only, hostile, eight_bit;
    unsigned n_rcpt;
    struct letter_rcpt rcpt[CHECK_RCPTS_MAX];
    struct buf body;
    bool end_sent; /* the client gave away the end of the body */
    int64_t end_sent_us;
    int reply; /* to the body; 0: none */
    bool accepted, finished;
    int64_t begun_wall_ms;
};

/* local_only: its client may send to our own domains and no others. */
struct letter *check_letter_new(bool local_only);
/* "xq00017", and back: -1 where there is none; *ret_rcpt: -1 for the sender's. */
const char *letter_key_text(unsigned key, char ret[static 16]);
struct letter *letter_find(struct span text, int *ret_rcpt);
struct letter *letter_next(struct letter *after);
void check_rcpt_answer(struct letter *l, unsigned i, int code);
void check_end_sent(struct letter *l);
void check_body_answer(struct letter *l, int code);
/* 421 instead: the gateway hangs up. */
void check_body_cut_off(struct letter *l);
/* A mail of ours that may be accepted must be, now that all is calm. */
void check_probe_failed(const char *why);

/* --- what arrives at hosts --- */

struct channel {
    const struct town_host *host;
    const struct tls_facts *tls; /* the host's side of it; NULL: in clear */
    enum town_identity identity; /* that it showed */
    struct wire_end *gate_end;
};
/* The gateway says MAIL on this channel: may it? */
void check_channel(const struct channel *c);
/* The host takes the mail for this recipient and will say 250. */
void check_copy(const struct channel *c, struct span rcpt, struct span body);
/* All that the host has to say on this wire is on its way now. */
void check_replied(struct wire_end *gate_end);
void check_maildir(struct span path, struct span unique, const struct body *body);
/* A host refuses for good: one recipient, or (rcpt empty) all of the letter. */
void check_refusal(struct span from, struct span rcpt);
void check_transaction(unsigned messages, unsigned rcpts);

/* --- the network's --- */

void check_call(const struct wire *w);
void check_sent(struct wire_end *from, struct span bytes);
void check_read(struct wire_end *e);

/* --- the machine's --- */

/* The disk holds what the last life left. */
void check_before_start(void);
void check_open_failed(unsigned shard, enum err e);
void check_limits(struct worker *w);
/* All of the gateway stands still until then; or its threads only. */
void check_pause(int64_t until_us);
void check_freeze(int64_t until_us);

/* --- the end --- */

/* Nothing is owed to anybody any more. */
bool check_queue_is_empty(void);
void check_end(void);
/* "12 mails, 9 taken, ..." */
void check_summary(struct buf *out);

#endif
