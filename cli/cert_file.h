/* cert_file.h - where the commands about certificates get them: files, the trust store, a server.
 */
#ifndef CLI_CERT_FILE_H
#define CLI_CERT_FILE_H

#include "cert/fetch.h"
#include "cert/info.h"
#include "cli/cli.h"

/* As cert_read, of a file; why names it. Keys that stand in it are not looked at, and its bytes are
 * wiped. */
MUST_USE enum err cert_file_read(struct span path, unsigned max, struct arena *a,
                                 struct cert_chain *ret, struct why *why);
/* --store, or the system's. */
MUST_USE enum err cert_file_store(const struct args *args, struct arena *a, struct cert_chain *ret,
                                  struct why *why);
/* "host", "host:port", "[::1]:25". ERR_SYNTAX. *ret's host is the arena's, A-labels. */
MUST_USE enum err cert_file_host(struct span text, struct arena *a, struct fetch_peer *ret,
                                 struct why *why);
/* The chain of --host, or of a file (--cert, or the word). ERR_REFUSED: the server cannot be asked,
 * why says where that failed; ERR_SYNTAX, ERR_NOT_FOUND ...: the file. */
MUST_USE enum err cert_file_chain(const struct args *args, struct span file, struct arena *a,
                                  struct cert_chain *ret, struct why *why);
/* How to fetch, from the options. default_s: seconds. */
struct fetch_rules cert_file_rules(const struct args *args, unsigned default_s);

#endif
