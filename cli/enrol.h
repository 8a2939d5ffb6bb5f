/* enrol.h - a link with one partner: its private authority, its certificate, two connectors, and
 * the sheet that the partner gets. cmd_partner.c is the order of things.
 *
 *   enrol_files.c   the folder: ca.pem, ca.key, and for each enrolment NAME-SERIAL.pem (and .key)
 *   enrol_sheet.c   what the partner is told
 *
 * To enrol again keeps the authority and what it has signed: the new certificate lies beside the
 * old one, and both are good until they end. */
#ifndef CLI_ENROL_H
#define CLI_ENROL_H

#include "cli/cli.h"
#include "ctl/ctl.h"
#include "io/tls_look.h"
#include "io/tls_make.h"

enum { ENROL_NAMES_MAX = 64, ENROL_CA_DAYS = 3650, ENROL_DAYS = 397, ENROL_KEY_MAX = 16 * 1024 };

struct enrol {
    struct span org, name;
    struct span domain[ENROL_NAMES_MAX]; /* A-labels */
    unsigned n_domain;
    struct span host[ENROL_NAMES_MAX]; /* of the partner's servers */
    unsigned n_host;
    struct span request;     /* PEM; empty: the key is made */
    struct span certificate; /* label of what we show, or empty */
    int64_t now_ms, days;
    struct span folder; /* absolute, after enrol_folder */
    bool new_folder, new_ca;
    /* after enrol_issue */
    struct span ca_path, certificate_path, key_path; /* key_path: empty with a request */
    struct tls_certificate ca, issued;
    struct arena arena; /* of all of this */
};

/* Makes the folder (mode 0700) unless it is there. why. */
MUST_USE enum err enrol_folder(struct enrol *e, struct span folder, struct why *why);
/* The authority is made, or read; then it signs. Nothing that is there is written to. ERR_REFUSED:
 * the authority in the folder is for other domains, or will not sign; ERR_SYNTAX: a file cannot be
 * read; others: the disk. why. */
MUST_USE enum err enrol_issue(struct enrol *e, struct why *why);

/* Takes away what enrol_folder and enrol_issue have made, so far as they came. */
void enrol_undo(struct enrol *e);

/* config: with the connectors in it. */
struct ctl *enrol_sheet(const struct enrol *e, const struct config *config);
/* Writes sheet.txt, sheet.html and sheet.json. why. */
MUST_USE enum err enrol_sheet_write(const struct enrol *e, const struct ctl *sheet,
                                    struct why *why);

#endif
