/* sts_life.h - the life of MTA-STS policies that were seen: when one is alive, when to look into
 * DNS and on the web again, and what a message does meanwhile (RFC 8461 3.1, 3.3, 5). The engine
 * that looks has no rules of its own: it asks sts_next, does what that says, tells the result, asks
 * again.
 *
 *   sts_next --LOOK---> ask for the TXT records ---> sts_next
 *            --FETCH--> get the file            ---> sts_next
 *            --USE----> this policy binds the message
 *            --NONE---> no policy binds it
 *
 * What is known of a domain is a struct sts_entry; it prints itself as one line, for the disk, and
 * reads that line back. All spans of an entry are borrowed: from the line, or from the texts that
 * the caller put in. Times are wall milliseconds: they must outlive a restart.
 */
#ifndef POLICY_STS_LIFE_H
#define POLICY_STS_LIFE_H

#include "policy/sts.h"

#define STS_LOOK_MS ((int64_t)5 * 60 * 1000)          /* an id is looked for no more often */
#define STS_AGAIN_MS ((int64_t)5 * 60 * 1000)         /* = RFC 8461 3.3: a fetch that failed */
#define STS_REFRESH_MS ((int64_t)24 * 60 * 60 * 1000) /* = RFC 8461 3.3: once per day */

enum { STS_ENTRY_MAX = 255 + STS_MX_MAX * 258 + 400 }; /* bytes of a line */

struct sts_entry {
    struct span domain;
    /* the last policy that was fetched, and the id that DNS showed then */
    bool has_policy;
    struct sts_policy policy;
    struct span id;
    int64_t fetched_ms;
    int64_t looked_ms; /* when DNS last told of an id, or that there is none; 0: never */
    /* the last fetch, if it failed */
    struct span failed_id; /* empty: it did not fail */
    int64_t failed_ms;
};

enum sts_found {
    STS_FOUND_NOTHING_YET, /* nobody asked for this message */
    STS_FOUND_UNKNOWN,     /* DNS did not answer, or what it said is bogus */
    STS_FOUND_NONE,        /* no record, several, or a malformed one */
    STS_FOUND_ID,
};

enum sts_fetch { STS_FETCH_NOT_TRIED, STS_FETCH_FAILED, STS_FETCH_WELL };

struct sts_input {
    const struct sts_entry *entry; /* NULL: nothing is known */
    enum sts_found found;
    struct span id; /* STS_FOUND_ID */
    enum sts_fetch fetch;
    /* The message would be bounced for this policy: RFC 8461 5.1 wants to know first whether there
     * is a new one. */
    bool last_resort;
    int64_t now_ms;
};

/* USE: the entry's policy, of mode testing (told of in reports, binds nothing) or enforce. */
enum sts_do { STS_DO_LOOK, STS_DO_FETCH, STS_DO_USE, STS_DO_NONE };

enum sts_because {
    STS_CACHED,      /* USE: it is alive, and nothing newer is known */
    STS_FETCHED,     /* USE: just now */
    STS_KEPT,        /* USE: alive, though DNS or the web did not show it */
    STS_MODE_NONE,   /* NONE: the policy says so */
    STS_ABSENT,      /* NONE: the domain shows none, and none is alive */
    STS_CANNOT_TELL, /* NONE: DNS did not say, and none is alive */
    STS_UNFETCHED,   /* NONE: it has one that could not be had, and none is alive */
    STS_WANTED,      /* LOOK, FETCH */
};
const char *sts_because_name(enum sts_because b);

struct sts_next {
    enum sts_do what;
    enum sts_because because;
    /* USE and NONE: fetch it all the same, without letting the message wait; once a domain. */
    bool fetch_beside;
    /* USE: whether there is a new policy has been found out. Until then nothing is bounced for this
     * one, it waits (RFC 8461 5.1). */
    bool checked;
};

/* STS_FETCH_WELL: the entry holds what was fetched (sts_entry_fetched). */
struct sts_next sts_next(const struct sts_input *in);

/* Younger than its max_age. A policy that seems to come from the future is as old as can be told:
 * 0, and due. */
bool sts_alive(const struct sts_entry *e, int64_t now_ms);
/* When it stops being alive. */
int64_t sts_expires_ms(const struct sts_entry *e);
/* A day old, or half its life; an idle engine may refresh what is due unasked. */
bool sts_refresh_due(const struct sts_entry *e, int64_t now_ms);
/* Nothing in it is of use any more. */
bool sts_entry_dead(const struct sts_entry *e, int64_t now_ms);

/* What happened. fetched: the old policy is gone, whatever it was; a policy of mode none stays as
 * what it is until its time is over, so that its id is known (RFC 8461 8.3). */
void sts_entry_init(struct sts_entry *e, struct span domain);
void sts_entry_looked(struct sts_entry *e, int64_t now_ms);
void sts_entry_fetched(struct sts_entry *e, struct span id, const struct sts_policy *p,
                       int64_t now_ms);
/* The policy that is there stays. id: what DNS showed, not empty. */
void sts_entry_failed(struct sts_entry *e, struct span id, int64_t now_ms);

/* One line with its LF; room for STS_ENTRY_MAX. */
void sts_entry_print(const struct sts_entry *e, struct buf *out);
/* Reads what sts_entry_print wrote, with or without the LF. ERR_SYNTAX: another version, a sum that
 * is wrong, or anything else; ret is untouched and why says what. A bad line is forgotten: the
 * policy is looked for again. */
MUST_USE enum err sts_entry_read(struct span line, struct sts_entry *ret, struct why *why);

#endif
