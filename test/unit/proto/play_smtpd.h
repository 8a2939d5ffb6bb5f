/* play_smtpd.h - one server session with a small story behind it, for tests.
 *
 * The story says yes, but to addresses that begin with:
 *     "no"     550 at MAIL or RCPT         "later"  451 at MAIL or RCPT
 *     "nodata" 554 at DATA (a sender)      "noend"  554 at the end of the body (a sender)
 *     "bye"    421 at MAIL or RCPT         "slow"   no answer until play_answer (a recipient)
 * Everything the session does is kept: output, messages, and a log of events, one letter each:
 *     H HELO, T STARTTLS, M MAIL, R RCPT, D DATA, E BODY_END, x RESET, C CLOSE
 */
#ifndef TEST_UNIT_PROTO_PLAY_SMTPD_H
#define TEST_UNIT_PROTO_PLAY_SMTPD_H

#include "proto/smtpd.h"

struct play {
    struct smtpd_config config;
    struct smtpd *smtpd;
    int64_t now_ms;
    struct buf out;      /* all that was said and not yet taken */
    struct buf events;   /* letters */
    struct buf body;     /* of the message that is coming */
    struct buf messages; /* accepted ones, each with "|" behind it */
    struct reply answer; /* to the event that waits, under "slow" */
    bool no_data, no_end, slow;
    bool hold_out; /* leave the output in the session */
    bool closed;
    enum smtpd_why why;
};

extern const struct smtpd_config play_config;

/* Greets. config NULL: play_config. */
void play_init(struct play *p, const struct smtpd_config *config);
void play_done(struct play *p);
/* Feeds the bytes in pieces of at most `step` (0: in one piece). */
void play_feed(struct play *p, struct span bytes, size_t step);
/* Answers what waits under "slow". */
void play_answer(struct play *p, struct span pending);
/* The handshake is done. */
void play_tls(struct play *p);
/* Time passes; deadlines are kept. */
void play_wait(struct play *p, int64_t ms);

/* Feeds and compares all output since the last time with `want`; the test fails on a difference. */
#define PLAY(p, bytes, want)                                                                       \
    do {                                                                                           \
        play_feed((p), SPAN(bytes), 0);                                                            \
        CHECK_SPAN(buf_span(&(p)->out), SPAN(want));                                               \
        buf_clear(&(p)->out);                                                                      \
    } while (0)

#endif
