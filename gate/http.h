/* http.h - the head of an HTTP/1.x request, judged strictly: all that the metrics listener
 * understands. Pure: bytes in, a verdict out. Bodies, connections that are kept and every method
 * but GET are not its business. */
#ifndef GATE_HTTP_H
#define GATE_HTTP_H

#include "base/buf.h"

enum { HTTP_HEAD_MAX = 4096, HTTP_REST_MAX = 512 };

enum http_verdict {
    HTTP_MORE,       /* the head is not whole yet */
    HTTP_METRICS,    /* GET /metrics */
    HTTP_ROOT,       /* GET / */
    HTTP_BAD,        /* 400: not HTTP/1.x, a bare CR or LF, or too long */
    HTTP_NOT_FOUND,  /* 404 */
    HTTP_NOT_METHOD, /* 405 */
    HTTP_VERDICT_COUNT_
};

/* `in`: what came so far. */
enum http_verdict http_judge(struct span in);
/* The whole answer to a verdict other than HTTP_MORE; metrics: the body of HTTP_METRICS. out has
 * room for it and HTTP_REST_MAX more. */
void http_answer(enum http_verdict v, struct span metrics, struct buf *out);

#endif
