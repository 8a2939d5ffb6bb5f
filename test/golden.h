/* golden.h - texts that are kept in a file and compared line by line, so that a reviewer sees them
 * change. To write them anew after a change that was meant:
 *
 *     build/dev-gcc/unit_policy --write grid_is_golden explain_is_golden
 *
 * and read the difference before it is committed. */
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H

#include "base/span.h"

/* Fails the test at the first line that differs. path: below the source tree. */
void golden_check(const char *path, struct span got);

#endif
