/* replay_judge.h - one recorded recipient, one recorded attempt: what two configurations say. Pure.
 * The inside of replay.c; nobody else includes it but its test. */
#ifndef CLI_REPLAY_JUDGE_H
#define CLI_REPLAY_JUDGE_H

#include "cli/replay_read.h"
#include "gate/config.h"
#include "gate/way.h"

enum replay_is { REPLAY_SAME, REPLAY_DIFFERENT, REPLAY_UNKNOWN };

/* Why it cannot be told. */
enum replay_gap {
    REPLAY_GAP_NONE,
    REPLAY_GAP_LINE,     /* the line lacks what is needed */
    REPLAY_GAP_RCPTS,    /* not all recipients are in it */
    REPLAY_GAP_BEGIN,    /* how the message came is not in what was read */
    REPLAY_GAP_TLS,      /* what the handshake showed is not there as a whole */
    REPLAY_GAP_UNASKED,  /* the client was not asked for a certificate */
    REPLAY_GAP_NO_TLS,   /* it was offered no TLS */
    REPLAY_GAP_TRUST,    /* other roots are trusted */
    REPLAY_GAP_PROFILE,  /* other cipher suites are offered */
    REPLAY_GAP_RULE,     /* connectors that look at a header field are others */
    REPLAY_GAP_REROUTED, /* an operator had sent it elsewhere */
    REPLAY_GAP_WAY,      /* it would go another way, of which nothing is recorded */
    REPLAY_GAP_IDENTITY, /* the server would be shown another certificate of ours */
    REPLAY_GAP_CHANNEL,  /* what was wrong with the channel is not recorded */
    REPLAY_GAP_NAME,     /* whether the certificate names the host is not recorded */
    REPLAY_GAP_COUNT_
};

/* What one configuration says. */
struct replay_says {
    bool pass;
    struct reply reply; /* when it does not; static text */
};

struct replay_found {
    enum replay_is is;
    enum replay_gap gap; /* REPLAY_UNKNOWN */
    bool outbound;
    bool otherwise;  /* the configuration that is says other than what is recorded */
    bool more_hosts; /* the destination has other hosts, of which nothing is known */
    struct replay_says before, after;
    struct span connector, partner;
};

struct replay_judge {
    const struct config *was, *now;
    struct map ca[2]; /* partners' own roots, by digest, of `was` and `now` */
    bool more_ca;     /* `now` has some that `was` has not */
};

/* A message while it is looked at. */
struct replay_mail {
    struct arena *arena;
    bool known; /* `in` is read */
    bool rerouted;
    struct replay_in in;
    struct envelope as[2]; /* as `was` and `now` would have taken it */
};

void replay_judge_init(struct replay_judge *j, const struct config *was, const struct config *now);
void replay_judge_done(struct replay_judge *j);
/* May it? Adds to mail->as what the recipient says of the message. taken: what is recorded. */
struct replay_found replay_judge_in(const struct replay_judge *j, struct replay_mail *mail,
                                    const struct replay_rcpt *to, bool taken);
/* All recipients are judged: the rest of mail->as. ours: a notification of this gateway. */
void replay_mail_ready(struct replay_mail *mail, bool ours);
/* Would the channel that was had do? */
struct replay_found replay_judge_out(const struct replay_judge *j, const struct replay_mail *mail,
                                     const struct replay_out *out);
struct replay_found replay_gap(enum replay_gap gap);
/* "taken", "454 4.7.0 TLS is required ...", or why it cannot be told. */
void replay_words(const struct replay_found *f, struct buf *before, struct buf *after);

#endif
