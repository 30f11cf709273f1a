/* A load of telephone calls: many callers and agents in one thread, real SIP and RTP over UDP.
 *
 * Callers call a number; agents register and pick up. Each leg sends G.711 A-law every 20 ms from
 * a socket of its own, and reads what comes: lost packets by sequence number, late ones by the
 * kernel's time of arrival, so that a busy generator does not make the server look late.
 */
#ifndef LOAD_H
#define LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define FRAME 160            /* samples, and bytes of A-law, in 20 ms */
#define PTIME_MS 20
#define LATE_US 20000        /* a packet later than this behind its stream's schedule is late */
#define WINDOW_US 5000000    /* the schedule is the earliest of the last one to two windows */
#define MAX_ROUTES 8
#define MAX_URI 256
#define DELAYS 256           /* delays by whole milliseconds, the last for all above */
#define MAX_MESSAGE 8192

typedef struct {
    char server[64], ip[64], number[64], domain[64], password[64];
    char audio[512], agent_audio[512], prefix[32], key[4];
    int server_port, sip_port, rtp_port;
    int at_once, agents, first_extension, callers;
    double rate;
    long total, hold_ms, answer_ms, key_every_ms;
} Options;

typedef enum { FREE, INVITING, UP, ENDING, RINGING, ANSWERED } State;

typedef struct {
    bool started;
    uint32_t ssrc, first_ts;
    uint16_t max_seq;
    uint32_t cycles;
    int64_t first_us, least, least_before, window_ends;
    uint64_t received, base_seq, lost_before, reported_lost, reported_before;
} Stream;

typedef struct {
    int index;
    bool agent;                       /* we are called */
    State state;
    unsigned serial;
    char call_id[128], local_tag[32], remote_tag[128], target[MAX_URI];
    char routes[MAX_ROUTES][MAX_URI];
    int route_count;
    unsigned cseq;
    char branch[64];
    char *message;                    /* what is repeated until it is answered */
    int message_size, repeats;
    int64_t repeat_at, invited_at, end_at, answer_at, key_at;
    /* media */
    int socket, port;
    struct sockaddr_in remote;
    uint16_t seq;
    uint32_t ts, ssrc, event_ts;
    int event_left, audio_at;
    Stream in;
} Leg;

typedef struct {
    char extension[16];
    unsigned cseq;
    bool registered;
    int64_t due_at;
    int tries;
} Agent;

typedef struct {
    float *values;
    int count, room;
} Samples;

typedef struct {
    long started, answered, ended, failed, cut, sent, received, lost, late, reported_lost;
    long codes[700], rung, picked_up, keys, repeated, unsent;
    long delays[DELAYS];
    Samples setup_ms, ring_ms;
    int64_t since_us, worst_lag_us;
} Figures;

extern Options options;
extern Figures figures;
extern Leg *legs;                     /* callers first, then the legs of agents */
extern int leg_count;
extern bool stopping;

int64_t now_us(void);
void add_sample(Samples *samples, double value);

/* sip.c */
int header(const char *message, const char *name, int nth, char *value, int size);
int status_of(const char *message);
void parameter(const char *value, const char *name, char *out, int size);
void uri_in(const char *value, char *out, int size);
void digest(const char *challenge, const char *user, const char *method, const char *uri,
            char *out, int size);
int sdp(const Leg *leg, char *out, int size);
bool media_of(const char *message, struct sockaddr_in *remote);
int reply(const char *request, int code, const char *reason, const Leg *leg, bool with_sdp,
          char *out, int size);

/* calls.c */
void open_sip(void);
void read_sip(void);
void drive(int64_t now);
void hang_up_all(void);
int sip_socket(void);
int busy(bool agents);
int registered(void);

/* media.c */
void open_media(int epoll);
void begin_media(Leg *leg, const struct sockaddr_in *remote);
void end_media(Leg *leg);
void send_slot(int slot, int64_t now);
void read_media(Leg *leg);
void read_rtcp(void);
void mark_media(void);
long lost_now(void);
long reported_now(void);
int rtcp_port(void);
int rtcp_socket(void);

#endif
