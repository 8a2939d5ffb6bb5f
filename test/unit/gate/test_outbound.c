/* The picture in docs/outbound.md is made from the stage table: this test prints it from the table
 * and compares. `unit_gate --write stage_picture` writes it anew. */
#include "gate/outbound.h"

#include "test/test.h"
#include "test/golden.h"

enum { PICTURE_MAX = 16 * 1024 };

static void print_rows(const struct stage_row *rows, struct buf *out)
{
    buf_put(out, SPAN("| stage | does | may go to | limit |\n|---|---|---|---|\n"));
    for (unsigned i = 0; i < STAGE_COUNT_; i++) {
        buf_putf(out, "| %s | %s |", rows[i].name, rows[i].does);
        for (unsigned k = 0; k < STAGE_COUNT_; k++)
            if (rows[i].next & (1u << k))
                buf_putf(out, " %s", rows[k].name);
        buf_putf(out, " | %s |\n", rows[i].limit);
    }
}

static void print_graph(const struct stage_row *rows, struct buf *out)
{
    buf_put(out, SPAN("\n```mermaid\nstateDiagram-v2\n    [*] --> resolve\n"));
    for (unsigned i = 0; i < STAGE_COUNT_; i++)
        for (unsigned k = 0; k < STAGE_COUNT_; k++)
            if (rows[i].next & (1u << k))
                buf_putf(out, "    %s --> %s\n", rows[i].name, rows[k].name);
    buf_put(out, SPAN("    over --> [*]\n```\n"));
}

TEST(stage_picture_is_the_table)
{
    const struct stage_row *rows = outbound_stages();
    struct buf out;
    buf_init(&out, PICTURE_MAX);
    buf_put(
        &out,
        SPAN("# The stages of a delivery\n\nMade from the table in gate/outbound.c; a test keeps "
             "the two equal. The limit is a row of docs/limits.md.\n\n"));
    print_rows(rows, &out);
    print_graph(rows, &out);
    golden_check("docs/outbound.md", buf_span(&out));
    buf_done(&out);
}

TEST(every_stage_is_reached_and_ends)
{
    const struct stage_row *rows = outbound_stages();
    unsigned reached = 1u << STAGE_RESOLVE;
    for (unsigned round = 0; round < STAGE_COUNT_; round++)
        for (unsigned i = 0; i < STAGE_COUNT_; i++)
            if (reached & (1u << i))
                reached |= rows[i].next;
    CHECK_NUM(reached, (1u << STAGE_COUNT_) - 1);
    CHECK_NUM(rows[STAGE_OVER].next, 0);
}
