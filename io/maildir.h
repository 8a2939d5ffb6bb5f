/* maildir.h - puts one message into a Maildir, durably: tmp/, fsync, link to new/, fsync of the
 * folder. Blocking: called on a work thread. The folders are made when missing (mode 0700), below a
 * root that must exist. Delivering the same unique name twice leaves one file. */
#ifndef IO_MAILDIR_H
#define IO_MAILDIR_H

#include "base/why.h"
#include "mail/body.h"

struct maildir_job {
    struct span path;   /* the Maildir */
    size_t root_n;      /* of path: the root; 0: all but the last part */
    struct span unique; /* file name, from id and recipient: the same at every attempt */
    struct span header; /* written before the body: Return-Path, Delivered-To */
    const struct body *body;
};

/* ERR_FULL: no space or quota; ERR_IO: anything else; why has the system's words. */
MUST_USE enum err maildir_deliver(const struct maildir_job *job, struct why *why);

#endif
