/* import_exchange.h - connectors of Exchange Online into a draft (docs/import.md says what becomes
 * of what). Facts about Exchange are from Microsoft's public documentation. */
#ifndef CLI_IMPORT_EXCHANGE_H
#define CLI_IMPORT_EXCHANGE_H

#include "cli/import_record.h"

/* One file of an export; more files may follow into the same draft. ERR_SYNTAX, ERR_TOO_BIG: why
 * says `file:line: `. file: borrowed as long as d; text: for the call. */
MUST_USE enum err import_exchange(struct draft *d, struct span file, struct span text,
                                  struct why *why);
/* What holds for the whole; once, when all files are read. */
void import_exchange_end(struct draft *d);

#endif
