/* Calls: what callers and agents send and answer. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPEAT_US 500000      /* T1 of RFC 3261, doubled each time up to T2 */
#define REPEAT_MOST_US 4000000
#define REPEATS 7
#define REGISTER_EVERY_US 200000000LL
#define REGISTER_EXPIRES 300
#define AGENT_INDEX 1000000

static int sip = -1;
static struct sockaddr_in server;
static Agent *agents;
static int *callers;          /* which leg a number calls from, to know it again at the agent's */
static int64_t next_call_at, registers_at;
static unsigned serials;

void open_sip(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(options.sip_port)};
    int room = 8 << 20;
    inet_pton(AF_INET, options.ip, &here.sin_addr);
    sip = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (setsockopt(sip, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        setsockopt(sip, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(sip, (struct sockaddr *)&here, sizeof here) < 0) {
        fprintf(stderr, "load: port %d cannot be used: %s\n", options.sip_port, strerror(errno));
        exit(2);
    }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options.server_port)};
    inet_pton(AF_INET, options.server, &server.sin_addr);
    callers = calloc(options.callers, sizeof *callers);
    agents = calloc(options.agents + 1, sizeof *agents);
    for (int i = 0; i < options.agents; i++)
        snprintf(agents[i].extension, sizeof agents[i].extension, "%d",
                 options.first_extension + i);
}

int sip_socket(void) { return sip; }

static void transmit(const char *message, int size) {
    if (sendto(sip, message, size, 0, (struct sockaddr *)&server, sizeof server) != size)
        figures.unsent++;
}

static void keep_repeating(Leg *leg, const char *message, int size, int64_t now) {
    if (!leg->message) leg->message = malloc(MAX_MESSAGE);
    memcpy(leg->message, message, size + 1);
    leg->message_size = size;
    leg->repeats = 0;
    leg->repeat_at = now + REPEAT_US;
    transmit(message, size);
}

static void forget(Leg *leg) {
    end_media(leg);
    leg->state = FREE;
    leg->repeat_at = leg->end_at = leg->answer_at = leg->key_at = 0;
    *leg->call_id = 0;
}

static void fail(Leg *leg, int code) {
    figures.failed++;
    figures.codes[code > 0 && code < 700 ? code : 0]++;
    forget(leg);
}

/* --- callers ---------------------------------------------------------------------------------- */

static int caller_head(Leg *leg, const char *method, const char *uri, bool with_routes,
                       char *out, int size) {
    if (strcmp(method, "ACK")) leg->cseq++;
    snprintf(leg->branch, sizeof leg->branch, "z9hG4bK%d-%u-%u%s", leg->index, leg->serial,
             leg->cseq, *method == 'A' ? "a" : "");
    int at = snprintf(out, size, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=%s;rport\r\n",
                      method, uri, options.ip, options.sip_port, leg->branch);
    for (int i = leg->route_count - 1; with_routes && i >= 0; i--)
        at += snprintf(out + at, size - at, "Route: %s\r\n", leg->routes[i]);
    at += snprintf(out + at, size - at,
                   "Max-Forwards: 70\r\nFrom: <sip:%s%06u@%s>;tag=%s\r\n"
                   "To: <sip:%s@%s>%s%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n",
                   options.prefix, leg->serial % options.callers, options.ip, leg->local_tag,
                   options.number, options.server, *leg->remote_tag ? ";tag=" : "",
                   leg->remote_tag, leg->call_id, leg->cseq, method);
    return at;
}

static void invite(Leg *leg, int64_t now) {
    char message[MAX_MESSAGE], body[1024], uri[MAX_URI];
    leg->serial = ++serials;
    leg->cseq = 0;
    leg->route_count = 0;
    *leg->remote_tag = 0;
    snprintf(leg->call_id, sizeof leg->call_id, "l%d-%u-%d@load", leg->index, leg->serial,
             (int)getpid());
    snprintf(leg->local_tag, sizeof leg->local_tag, "c%u", leg->serial);
    snprintf(uri, sizeof uri, "sip:%s@%s:%d", options.number, options.server,
             options.server_port);
    int length = sdp(leg, body, sizeof body);
    int at = caller_head(leg, "INVITE", uri, false, message, sizeof message);
    at += snprintf(message + at, sizeof message - at,
                   "Contact: <sip:load@%s:%d>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"
                   "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
                   options.ip, options.sip_port, length, body);
    leg->state = INVITING;
    leg->invited_at = now;
    callers[leg->serial % options.callers] = leg->index;
    figures.started++;
    keep_repeating(leg, message, at, now);
}

static void acknowledge(Leg *leg, const char *response, bool success) {
    char message[MAX_MESSAGE], value[1024], uri[MAX_URI];
    int at;
    header(response, "To", 0, value, sizeof value);
    parameter(value, "tag", leg->remote_tag, sizeof leg->remote_tag);
    if (success) {
        at = caller_head(leg, "ACK", leg->target, true, message, sizeof message);
    } else {  /* of the same transaction, so with its branch (RFC 3261 17.1.1.3) */
        snprintf(uri, sizeof uri, "sip:%s@%s:%d", options.number, options.server,
                 options.server_port);
        at = caller_head(leg, "ACK", uri, false, message, sizeof message);
        char *branch = strstr(message, leg->branch) + strlen(leg->branch) - 1;
        memmove(branch, branch + 1, strlen(branch));
        at--;
    }
    at += snprintf(message + at, sizeof message - at, "Content-Length: 0\r\n\r\n");
    transmit(message, at);
}

static void hang_up(Leg *leg, int64_t now) {
    char message[MAX_MESSAGE];
    int at = caller_head(leg, "BYE", leg->target, true, message, sizeof message);
    at += snprintf(message + at, sizeof message - at, "Content-Length: 0\r\n\r\n");
    end_media(leg);
    leg->state = ENDING;
    leg->end_at = leg->key_at = 0;
    keep_repeating(leg, message, at, now);
}

static void answered(Leg *leg, const char *response, int64_t now) {
    char value[1024];
    struct sockaddr_in remote;
    header(response, "Contact", 0, value, sizeof value);
    uri_in(value, leg->target, sizeof leg->target);
    leg->route_count = 0;
    for (int i = 0; header(response, "Record-Route", i, value, sizeof value) >= 0; i++)
        for (char *rest = value, *one; (one = strsep(&rest, ","));)
            if (leg->route_count < MAX_ROUTES)
                snprintf(leg->routes[leg->route_count++], MAX_URI, "%s", one + (*one == ' '));
    acknowledge(leg, response, true);
    leg->repeat_at = 0;
    leg->state = UP;
    figures.answered++;
    add_sample(&figures.setup_ms, (now - leg->invited_at) / 1000.0);
    if (!media_of(response, &remote)) {
        hang_up(leg, now);
        figures.failed++;
        return;
    }
    begin_media(leg, &remote);
    if (options.hold_ms) leg->end_at = now + options.hold_ms * 1000;
    if (options.key_every_ms)
        leg->key_at = now + 300000 + random() % (options.key_every_ms * 1000);
}

/* --- agents ----------------------------------------------------------------------------------- */

static void send_register(int index, const char *challenge) {
    Agent *agent = &agents[index];
    char message[MAX_MESSAGE], uri[MAX_URI], proof[1024] = "";
    agent->cseq++;
    agent->due_at = now_us() + REPEAT_MOST_US;
    snprintf(uri, sizeof uri, "sip:%s", options.domain);
    if (challenge) digest(challenge, agent->extension, "REGISTER", uri, proof, sizeof proof);
    int at = snprintf(message, sizeof message,
                      "REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bKr%d-%u;rport\r\n"
                      "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=r%d\r\nTo: <sip:%s@%s>\r\n"
                      "Call-ID: l%d-0-%d@load\r\nCSeq: %u REGISTER\r\n"
                      "Contact: <sip:%s@%s:%d>\r\nExpires: %d\r\n%sContent-Length: 0\r\n\r\n",
                      uri, options.ip, options.sip_port, index, agent->cseq, agent->extension,
                      options.domain, index, agent->extension, options.domain,
                      AGENT_INDEX + index, (int)getpid(), agent->cseq, agent->extension,
                      options.ip, options.sip_port, REGISTER_EXPIRES, proof);
    transmit(message, at);
}

static void registration_answered(int index, const char *response, int code) {
    char challenge[1024];
    Agent *agent = &agents[index];
    if (code == 401 && agent->tries++ < 3 &&
        header(response, "WWW-Authenticate", 0, challenge, sizeof challenge) >= 0) {
        send_register(index, challenge);
    } else if (code == 200) {
        agent->registered = true;
        agent->tries = 0;
        agent->due_at = now_us() + REGISTER_EVERY_US;
    } else if (code > 199) {
        fprintf(stderr, "load: extension %s cannot register: %d\n", agent->extension, code);
        agent->due_at = now_us() + REPEAT_MOST_US;
        agent->tries = 0;
    }
}

int registered(void) {
    int count = 0;
    for (int i = 0; i < options.agents; i++) count += agents[i].registered;
    return count;
}

static Leg *leg_of_call(const char *call_id) {
    for (int i = options.at_once; i < leg_count; i++)
        if (legs[i].state != FREE && !strcmp(legs[i].call_id, call_id)) return &legs[i];
    return NULL;
}

static void ring(const char *request, const char *call_id, int64_t now) {
    char message[MAX_MESSAGE], from[1024], uri[MAX_URI];
    Leg *leg = leg_of_call(call_id);
    if (leg) return;  /* a repetition */
    for (int i = options.at_once; i < leg_count && !leg; i++)
        if (legs[i].state == FREE) leg = &legs[i];
    if (!leg) {
        int size = reply(request, 486, "Busy Here", NULL, false, message, sizeof message);
        transmit(message, size);
        return;
    }
    leg->serial = ++serials;
    snprintf(leg->call_id, sizeof leg->call_id, "%s", call_id);
    snprintf(leg->local_tag, sizeof leg->local_tag, "a%u", leg->serial);
    leg->state = RINGING;
    leg->answer_at = now + options.answer_ms * 1000;
    header(request, "From", 0, from, sizeof from);
    uri_in(from, uri, sizeof uri);
    const char *number = strstr(uri, options.prefix);
    if (number) {
        int caller = atoi(number + strlen(options.prefix));
        Leg *other = caller >= 0 && caller < options.callers ? &legs[callers[caller]] : NULL;
        if (other && other->invited_at)
            add_sample(&figures.ring_ms, (now - other->invited_at) / 1000.0);
    }
    figures.rung++;
    struct sockaddr_in remote;
    if (media_of(request, &remote)) leg->remote = remote;
    transmit(message, reply(request, 180, "Ringing", leg, false, message, sizeof message));
    int size = reply(request, 200, "OK", leg, true, message, sizeof message);
    if (!leg->message) leg->message = malloc(MAX_MESSAGE);
    memcpy(leg->message, message, size + 1);
    leg->message_size = size;
    leg->repeat_at = 0;
}

static void pick_up(Leg *leg, int64_t now) {
    struct sockaddr_in remote = leg->remote;
    leg->answer_at = 0;
    leg->state = ANSWERED;
    figures.picked_up++;
    begin_media(leg, &remote);
    leg->repeats = 0;
    leg->repeat_at = now + REPEAT_US;
    transmit(leg->message, leg->message_size);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void response_came(const char *message, int code, int64_t now) {
    char call_id[128], cseq[64];
    int index;
    unsigned serial;
    header(message, "Call-ID", 0, call_id, sizeof call_id);
    header(message, "CSeq", 0, cseq, sizeof cseq);
    if (sscanf(call_id, "l%d-%u-", &index, &serial) != 2) return;
    if (index >= AGENT_INDEX && index < AGENT_INDEX + options.agents) {
        registration_answered(index - AGENT_INDEX, message, code);
        return;
    }
    if (index < 0 || index >= options.at_once || strcmp(legs[index].call_id, call_id)) return;
    Leg *leg = &legs[index];
    if (strstr(cseq, "INVITE")) {
        if (code < 200) {
            if (leg->state == INVITING) leg->repeat_at = now + 60000000;
        } else if (code < 300) {
            if (leg->state == INVITING) answered(leg, message, now);
            else acknowledge(leg, message, true);
        } else {
            acknowledge(leg, message, false);
            if (leg->state == INVITING) fail(leg, code);
        }
    } else if (strstr(cseq, "BYE") && leg->state == ENDING && code >= 200) {
        figures.ended++;
        forget(leg);
    }
}

static void request_came(const char *message, int64_t now) {
    char out[MAX_MESSAGE], call_id[128];
    int index;
    header(message, "Call-ID", 0, call_id, sizeof call_id);
    if (!strncmp(message, "INVITE ", 7)) {
        ring(message, call_id, now);
        return;
    }
    Leg *leg = NULL;
    if (sscanf(call_id, "l%d-", &index) == 1 && strstr(call_id, "@load")) {
        if (index >= 0 && index < options.at_once && !strcmp(legs[index].call_id, call_id))
            leg = &legs[index];
    } else {
        leg = leg_of_call(call_id);
    }
    if (!strncmp(message, "ACK ", 4)) {
        if (leg && leg->agent) leg->repeat_at = 0;
        return;
    }
    transmit(out, reply(message, 200, "OK", NULL, false, out, sizeof out));
    if (!leg) return;
    if (!strncmp(message, "CANCEL ", 7)) {
        forget(leg);  /* the edge takes our silence for a 487 in the end */
    } else if (!strncmp(message, "BYE ", 4)) {
        if (!leg->agent) {
            if (leg->state == UP && options.hold_ms && !stopping) figures.cut++;
            figures.ended++;
        }
        forget(leg);
    }
}

void read_sip(void) {
    static char message[65536];
    int size;
    for (int i = 0; i < 64; i++) {
        size = recv(sip, message, sizeof message - 1, MSG_DONTWAIT);
        if (size <= 0) return;
        message[size] = 0;
        int code = status_of(message);
        if (code) response_came(message, code, now_us());
        else if (size > 20) request_came(message, now_us());  /* less is a keep-alive */
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void repeat(Leg *leg, int64_t now) {
    if (++leg->repeats > REPEATS) {
        if (leg->state == INVITING) fail(leg, 408);
        else forget(leg);
        return;
    }
    int64_t pause = REPEAT_US << leg->repeats;
    leg->repeat_at = now + (pause < REPEAT_MOST_US ? pause : REPEAT_MOST_US);
    figures.repeated++;
    transmit(leg->message, leg->message_size);
}

int busy(bool of_agents) {
    int count = 0;
    for (int i = of_agents ? options.at_once : 0; i < (of_agents ? leg_count : options.at_once); i++)
        count += legs[i].state != FREE;
    return count;
}

void hang_up_all(void) {
    int64_t now = now_us();
    for (int i = 0; i < options.at_once; i++)
        if (legs[i].state == UP) hang_up(&legs[i], now);
}

static void start_calls(int64_t now) {
    static int search;
    if (stopping || options.rate <= 0 || registered() < options.agents || !next_call_at) {
        next_call_at = now;  /* also at first: the clock began long before us */
        return;
    }
    while (next_call_at <= now && (!options.total || serials < (unsigned)options.total)) {
        next_call_at += (int64_t)(1e6 / options.rate);
        int tried = 0;
        while (tried < options.at_once && legs[search].state != FREE) {
            search = (search + 1) % options.at_once;
            tried++;
        }
        if (tried == options.at_once) {
            next_call_at = now + (int64_t)(1e6 / options.rate);
            return;
        }
        invite(&legs[search], now);
        search = (search + 1) % options.at_once;
    }
}

void drive(int64_t now) {
    for (int i = 0; i < leg_count; i++) {
        Leg *leg = &legs[i];
        if (leg->state == FREE) continue;
        if (leg->repeat_at && now >= leg->repeat_at) repeat(leg, now);
        if (leg->state == RINGING && now >= leg->answer_at) pick_up(leg, now);
        if (leg->state == UP && leg->end_at && now >= leg->end_at) hang_up(leg, now);
    }
    if (now >= registers_at) {  /* fifty at a time, so that nobody takes it for a flood */
        registers_at = now + 100000;
        for (int i = 0, sent = 0; i < options.agents && sent < 50; i++)
            if (now >= agents[i].due_at) {
                agents[i].tries = 0;
                send_register(i, NULL);
                sent++;
            }
    }
    start_calls(now);
}
