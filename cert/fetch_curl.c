#include "cert/exchange.h"

#include <curl/curl.h>
#include <stdio.h>

enum { PORT_HTTPS = 443, PORT_SUBMISSIONS = 465 };

void fetch(const struct fetch_request *request, struct buf *body, struct fetch_result *ret)
{
    struct exchange x;
    if (exchange_refused(request, ret))
        return;
    exchange_begin(&x, request, body);
    CURLcode code = curl_easy_perform(x.curl);
    exchange_end(&x, (int)code, ret);
}

/* --- the chain of a server --- */

/* "Cert:-----BEGIN CERTIFICATE..." among other lines; what is too much is left out. */
static void put_certificate(const char *line, struct buf *pem)
{
    if (strncmp(line, "Cert:", 5) != 0 || buf_room(pem) <= strlen(line))
        return;
    buf_put(pem, span_z(line + 5));
    buf_put(pem, SPAN("\n"));
}

static void put_chain(CURL *curl, struct buf *pem, struct fetch_result *r)
{
    struct curl_certinfo *info = NULL;
    curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info);
    for (int i = 0; info && i < info->num_of_certs; i++)
        for (const struct curl_slist *s = info->certinfo[i]; s; s = s->next)
            put_certificate(s->data, pem);
    if (pem->n > 0)
        return;
    r->reached = FETCH_TLS;
    (void)snprintf(r->why, sizeof r->why, "the server showed no certificate");
}

void fetch_chain(const struct fetch_peer *peer, struct buf *pem, struct fetch_result *ret)
{
    struct exchange x;
    bool is_v6 = span_find(peer->host, ':') < peer->host.n;
    const char *scheme = peer->port == PORT_HTTPS         ? "https"
                         : peer->port == PORT_SUBMISSIONS ? "smtps"
                                                          : "smtp";
    char url[FETCH_URL_MAX];
    (void)snprintf(url, sizeof url, is_v6 ? "%s://[%.*s]:%u" : "%s://%.*s:%u", scheme,
                   SPAN_ARG(peer->host), peer->port);
    exchange_open(&x, &peer->rules, span_z(url), "https,smtp,smtps");
    curl_easy_setopt(x.curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    curl_easy_setopt(x.curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(x.curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(x.curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(x.curl, CURLOPT_SSL_VERIFYHOST, 0L);
    CURLcode code = curl_easy_perform(x.curl);
    exchange_note(&x, (int)code, ret);
    ret->status = 0;
    if (code == CURLE_OK)
        put_chain(x.curl, pem, ret);
    curl_easy_cleanup(x.curl);
}
