/* Reading and writing SIP messages. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *compact(const char *name) {
    static const char *pairs[][2] = {{"Via", "v"}, {"From", "f"}, {"To", "t"}, {"Call-ID", "i"},
                                     {"Contact", "m"}};
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcasecmp(pairs[i][0], name)) return pairs[i][1];
    return "";
}

/* The nth header of that name; its length, or -1. */
int header(const char *message, const char *name, int nth, char *value, int size) {
    const char *line = strstr(message, "\r\n"), *end;
    const char *brief = compact(name);
    while (line && (line += 2) && (end = strstr(line, "\r\n")) && end != line) {
        const char *colon = memchr(line, ':', end - line);
        int length = colon ? (int)(colon - line) : 0;
        while (length > 0 && line[length - 1] == ' ') length--;
        bool same = (length == (int)strlen(name) && !strncasecmp(line, name, length)) ||
                    (*brief && length == 1 && !strncasecmp(line, brief, 1));
        if (same && nth-- == 0) {
            for (colon++; *colon == ' '; colon++) {}
            return snprintf(value, size, "%.*s", (int)(end - colon), colon);
        }
        line = end;
    }
    *value = 0;
    return -1;
}

int status_of(const char *message) {
    return strncmp(message, "SIP/2.0 ", 8) ? 0 : atoi(message + 8);
}

/* The value of ;name= or of name="..." in a header. */
void parameter(const char *value, const char *name, char *out, int size) {
    int length = strlen(name);
    *out = 0;
    for (const char *at = value; (at = strcasestr(at, name)); at += length) {
        if (at[length] != '=' || (at > value && !strchr("; ,", at[-1]))) continue;
        at += length + 1;
        int quoted = *at == '"';
        at += quoted;
        snprintf(out, size, "%.*s", (int)strcspn(at, quoted ? "\"" : ";, >"), at);
        return;
    }
}

/* What stands between < and >, or the bare URI. */
void uri_in(const char *value, char *out, int size) {
    const char *open = strchr(value, '<');
    if (open) snprintf(out, size, "%.*s", (int)strcspn(open + 1, ">"), open + 1);
    else snprintf(out, size, "%.*s", (int)strcspn(value, ";"), value);
}

static void md5_hex(const char *text, char out[33]) {
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text, strlen(text), sum, &size, EVP_md5(), NULL);
    for (unsigned i = 0; i < 16; i++) sprintf(out + 2 * i, "%02x", sum[i]);
}

/* The Authorization header for a challenge (RFC 7616, MD5, qop auth). */
void digest(const char *challenge, const char *user, const char *method, const char *uri,
            char *out, int size) {
    char realm[128], nonce[256], text[1024], ha1[33], ha2[33], response[33];
    parameter(challenge, "realm", realm, sizeof realm);
    parameter(challenge, "nonce", nonce, sizeof nonce);
    snprintf(text, sizeof text, "%s:%s:%s", user, realm, options.password);
    md5_hex(text, ha1);
    snprintf(text, sizeof text, "%s:%s", method, uri);
    md5_hex(text, ha2);
    snprintf(text, sizeof text, "%s:%s:00000001:load:auth:%s", ha1, nonce, ha2);
    md5_hex(text, response);
    snprintf(out, size,
             "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", "
             "response=\"%s\", algorithm=MD5, cnonce=\"load\", qop=auth, nc=00000001\r\n",
             user, realm, nonce, uri, response);
}

int sdp(const Leg *leg, char *out, int size) {
    return snprintf(out, size,
                    "v=0\r\no=- %u 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
                    "m=audio %d RTP/AVP 8%s\r\na=rtpmap:8 PCMA/8000\r\n%sa=ptime:20\r\n"
                    "a=rtcp:%d\r\na=sendrecv\r\n",
                    leg->serial + 1, options.ip, options.ip, leg->port, leg->agent ? "" : " 101",
                    leg->agent ? "" : "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
                    rtcp_port());
}

/* Where the other side wants its audio. */
bool media_of(const char *message, struct sockaddr_in *remote) {
    const char *body = strstr(message, "\r\n\r\n");
    const char *c = body ? strstr(body, "c=IN IP4 ") : NULL;
    const char *m = body ? strstr(body, "m=audio ") : NULL;
    if (!c || !m) return false;
    char address[64];
    snprintf(address, sizeof address, "%.*s", (int)strcspn(c + 9, " \r\n"), c + 9);
    memset(remote, 0, sizeof *remote);
    remote->sin_family = AF_INET;
    remote->sin_port = htons(atoi(m + 8));
    return inet_pton(AF_INET, address, &remote->sin_addr) == 1;
}

/* A response to `request`; `leg` gives the tag and the contact. Its length. */
int reply(const char *request, int code, const char *reason, const Leg *leg, bool with_sdp,
          char *out, int size) {
    char value[1024], body[1024] = "";
    int at = snprintf(out, size, "SIP/2.0 %d %s\r\n", code, reason);
    for (int i = 0; header(request, "Via", i, value, sizeof value) >= 0; i++)
        at += snprintf(out + at, size - at, "Via: %s\r\n", value);
    for (int i = 0; header(request, "Record-Route", i, value, sizeof value) >= 0; i++)
        at += snprintf(out + at, size - at, "Record-Route: %s\r\n", value);
    header(request, "From", 0, value, sizeof value);
    at += snprintf(out + at, size - at, "From: %s\r\n", value);
    header(request, "To", 0, value, sizeof value);
    at += snprintf(out + at, size - at, "To: %s%s%s\r\n", value,
                   leg && !strstr(value, "tag=") ? ";tag=" : "",
                   leg && !strstr(value, "tag=") ? leg->local_tag : "");
    header(request, "Call-ID", 0, value, sizeof value);
    at += snprintf(out + at, size - at, "Call-ID: %s\r\n", value);
    header(request, "CSeq", 0, value, sizeof value);
    at += snprintf(out + at, size - at, "CSeq: %s\r\n", value);
    if (leg)
        at += snprintf(out + at, size - at, "Contact: <sip:load@%s:%d>\r\n", options.ip,
                       options.sip_port);
    int length = with_sdp ? sdp(leg, body, sizeof body) : 0;
    if (with_sdp) at += snprintf(out + at, size - at, "Content-Type: application/sdp\r\n");
    return at + snprintf(out + at, size - at, "Content-Length: %d\r\n\r\n%s", length, body);
}
