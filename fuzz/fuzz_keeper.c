/* The keeper's two inputs. What a captured worker asks: never a signature of anything that is not a
 * handshake. A configuration's files: no private key goes on in the open, and nothing else is
 * changed. */
#include "keeper/split.h"
#include "keeper/store.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                              "-----END PRIVATE KEY-----\n"; /* RFC 8410 10.3: nobody's */

static void ask(struct span in)
{
    static struct keeper_store *store;
    static struct keeper_request q;
    struct hash_key key = { { 1, 2 } };
    struct keeper_answer a;
    enum keeper_form form;
    if (!store)
        ASSERT(keeper_store_new(span_z(key_pem), &key, &store, NULL) == ERR_OK);
    memset(&q, 0, sizeof q);
    size_t n = in.n < sizeof q ? in.n : sizeof q;
    if (n > 0)
        memcpy(&q, in.p, n);
    if (n > KEEPER_REQUEST_BYTES(0) && keeper_key_name(span_z(key_pem), q.key) == ERR_OK)
        q.n = (uint32_t)(n - KEEPER_REQUEST_BYTES(0));
    keeper_store_sign(store, &q, n, &a, &form);
    ASSERT((a.status == KEEPER_SIGNED) == (a.n > 0) && a.n <= KEEPER_SIGNATURE_MAX);
    ASSERT(a.status != KEEPER_SIGNED || keeper_form_of(span_of(q.tbs, q.n)) == form);
    ASSERT(a.status != KEEPER_SIGNED || form != FORM_NONE);
}

static void split(struct span in)
{
    struct buf open, keys;
    buf_init(&open, 4 * in.n + 4096);
    buf_init(&keys, 2 * in.n + 4096);
    enum err e = keeper_split(in, &open, &keys);
    ASSERT(e == ERR_OK || e == ERR_TOO_BIG);
    ASSERT(e != ERR_OK || !keeper_has_key(buf_span(&open)));
    if (!keeper_has_key(in))
        ASSERT(e == ERR_OK && span_eq(buf_span(&open), in) && keys.n == 0);
    buf_done(&open);
    buf_done(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct span in = span_of((const char *)data + 1, n - 1);
    if (data[0] & 1)
        ask(in);
    else
        split(in);
    return 0;
}
