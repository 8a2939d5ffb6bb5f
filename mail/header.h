/* header.h - reads the header section of a message as it streams by; changes nothing.
 *
 * Feed it the decoded body pieces in any chunking; it stops looking at the empty line. What it
 * learns: how many hops (Received), the Message-ID, the size of the header section, whether the
 * sender waives TLS, and which of the fields it was told to watch for is there. A bare CR or LF
 * (BDAT can bring them) ends a line here, because that is how a next hop may read it.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"

enum { HEADER_VALUE_MAX = 250, HEADER_FIELD_MAX = 4096 };

/* A field to watch for: both are compared without case, the value unfolded and trimmed. */
struct header_watch {
    struct span name, value;
};

struct header_scan {
    unsigned received; /* Received and Delivered-To fields: loop protection */
    uint64_t n;        /* bytes of the header section so far, without the empty line */
    uint64_t line_n;   /* bytes of the line being read */
    bool done;         /* the empty line, or a line that is no field, was seen */
    bool at_line_start, in_value;
    bool cr;                          /* the last byte was a CR: an LF belongs to it */
    bool name_ended;                  /* blanks between a name and its colon */
    unsigned kind;                    /* of the field being read: header.c */
    const struct header_watch *watch; /* borrowed */
    unsigned n_watch;
    unsigned watched;     /* the first of them that was seen; n_watch: none */
    unsigned watch_at;    /* the first that has the name of the field being read */
    bool tls_required_no; /* TLS-Required: No (RFC 8689 3), and no second such field */
    unsigned tls_fields;  /* how many TLS-Required fields */
    bool postern_loop;    /* a Received of ours: "by <hostname> (Postern)" counted in our_hops */
    unsigned our_hops;
    struct span hostname;  /* ours, lower case, to see loops */
    struct buf field;      /* the field being read; the rest of a long one is passed over */
    struct buf message_id; /* without brackets, fit to print */
};

/* hostname is borrowed for the life of the scan. */
void header_scan_init(struct header_scan *h, struct span hostname);
void header_scan_done(struct header_scan *h);
/* Before any input. The list is borrowed for the life of the scan. */
void header_scan_watch(struct header_scan *h, const struct header_watch *watch, unsigned n);
void header_scan_input(struct header_scan *h, struct span piece);
/* The message is over: a last field that no empty line followed is judged. Once is enough. */
void header_scan_end(struct header_scan *h);

#endif
