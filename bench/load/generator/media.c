/* RTP: what each leg sends and hears. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define EVENT_PACKETS 10  /* a key: 160 ms and two repetitions of its end (RFC 4733 2.5.1.4) */

static struct { unsigned char *bytes; int frames; } sounds[2];  /* of callers, of agents */
static int rtcp = -1;

static int udp(int port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, options.ip, &here.sin_addr);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0) {
        fprintf(stderr, "load: port %d cannot be used: %s\n", port, strerror(errno));
        exit(2);
    }
    return fd;
}

static void load_sound(int which, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "load: %s cannot be read: %s\n", path, strerror(errno));
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    sounds[which].bytes = malloc(size);
    sounds[which].frames = fread(sounds[which].bytes, 1, size, file) / FRAME;
    fclose(file);
    if (!sounds[which].frames) {
        fprintf(stderr, "load: %s holds less than 20 ms of A-law\n", path);
        exit(2);
    }
}

void open_media(int epoll) {
    load_sound(0, options.audio);
    load_sound(1, *options.agent_audio ? options.agent_audio : options.audio);
    rtcp = udp(options.rtp_port);
    for (int i = 0; i < leg_count; i++) {
        Leg *leg = &legs[i];
        leg->port = options.rtp_port + 2 + 2 * i;
        leg->socket = udp(leg->port);
        int on = 1;
        setsockopt(leg->socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i + 3};
        epoll_ctl(epoll, EPOLL_CTL_ADD, leg->socket, &event);
    }
}

int rtcp_port(void) { return options.rtp_port; }
int rtcp_socket(void) { return rtcp; }

void begin_media(Leg *leg, const struct sockaddr_in *remote) {
    leg->remote = *remote;
    leg->seq = (uint16_t)random();
    leg->ts = (uint32_t)random();
    leg->ssrc = (uint32_t)random() << 12 | leg->index;
    leg->audio_at = random() % sounds[leg->agent].frames;
    leg->event_left = 0;
    memset(&leg->in, 0, sizeof leg->in);
    leg->in.ssrc = 0;
}

static int64_t missing(const Stream *in) {
    if (!in->started) return 0;
    int64_t expected = (int64_t)in->cycles + in->max_seq - (int64_t)in->base_seq + 1;
    int64_t lost = expected - (int64_t)in->received;
    return (lost > 0 ? lost : 0) + (int64_t)in->lost_before;
}

void end_media(Leg *leg) {
    figures.lost += missing(&leg->in);
    figures.reported_lost += leg->in.reported_lost - leg->in.reported_before;
    memset(&leg->in, 0, sizeof leg->in);
    memset(&leg->remote, 0, sizeof leg->remote);
}

/* Count anew: what was lost so far is forgotten. */
void mark_media(void) {
    for (int i = 0; i < leg_count; i++) {
        Stream *in = &legs[i].in;
        if (!in->started) continue;
        in->base_seq = (uint64_t)in->cycles + in->max_seq + 1;
        in->received = in->lost_before = 0;
        in->reported_before = in->reported_lost;
    }
}

long lost_now(void) {
    long lost = figures.lost;
    for (int i = 0; i < leg_count; i++) lost += missing(&legs[i].in);
    return lost;
}

long reported_now(void) {
    long lost = figures.reported_lost;
    for (int i = 0; i < leg_count; i++)
        lost += legs[i].in.reported_lost - legs[i].in.reported_before;
    return lost;
}

static void put32(unsigned char *at, uint32_t value) {
    value = htonl(value);
    memcpy(at, &value, 4);
}

static uint32_t get32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static int key_packet(Leg *leg, unsigned char *packet) {
    int number = EVENT_PACKETS - leg->event_left;
    int length = (number < 8 ? number + 1 : 8) * FRAME;
    const char *signs = "0123456789*#";
    packet[1] = 101 | (number == 0 ? 0x80 : 0);
    put32(packet + 4, leg->event_ts);
    packet[12] = strchr(signs, *options.key) - signs;
    packet[13] = (number >= 7 ? 0x80 : 0) | 10;
    packet[14] = length >> 8;
    packet[15] = length & 255;
    leg->event_left--;
    return 16;
}

static void send_frame(Leg *leg, int64_t now) {
    unsigned char packet[12 + FRAME] = {0x80};
    int size = 12 + FRAME;
    if (leg->key_at && now >= leg->key_at && !leg->event_left) {
        leg->event_left = EVENT_PACKETS;
        leg->event_ts = leg->ts;
        leg->key_at += options.key_every_ms * 1000;
        figures.keys++;
    }
    packet[2] = leg->seq >> 8;
    packet[3] = leg->seq & 255;
    put32(packet + 4, leg->ts);
    put32(packet + 8, leg->ssrc);
    if (leg->event_left) {
        size = key_packet(leg, packet);
    } else {
        packet[1] = 8;
        memcpy(packet + 12, sounds[leg->agent].bytes + leg->audio_at * FRAME, FRAME);
    }
    leg->audio_at = (leg->audio_at + 1) % sounds[leg->agent].frames;
    leg->seq++;
    leg->ts += FRAME;
    if (sendto(leg->socket, packet, size, 0, (struct sockaddr *)&leg->remote,
               sizeof leg->remote) == size)
        figures.sent++;
    else
        figures.unsent++;
}

/* Phones are not in step: each leg has its millisecond within the 20. */
void send_slot(int slot, int64_t now) {
    for (int i = slot; i < leg_count; i += PTIME_MS)
        if (legs[i].remote.sin_port && (legs[i].state == UP || legs[i].state == ANSWERED))
            send_frame(&legs[i], now);
}

static void note_delay(Stream *in, uint32_t ts, int64_t at) {
    int64_t delay = at - in->first_us - (int64_t)(int32_t)(ts - in->first_ts) * 125;
    if (at > in->window_ends) {
        in->least_before = in->least;
        in->least = delay;
        in->window_ends = at + WINDOW_US;
    }
    if (delay < in->least) in->least = delay;
    int64_t late = delay - (in->least < in->least_before ? in->least : in->least_before);
    if (late > LATE_US) figures.late++;
    figures.delays[late / 1000 < DELAYS ? late / 1000 : DELAYS - 1]++;
}

static void hear(Leg *leg, const unsigned char *packet, int size, int64_t at) {
    Stream *in = &leg->in;
    if (size < 12 || (packet[0] >> 6) != 2 || !leg->remote.sin_port) return;
    uint16_t seq = packet[2] << 8 | packet[3];
    uint32_t ts = get32(packet + 4), ssrc = get32(packet + 8);
    if (!in->started || ssrc != in->ssrc) {
        uint64_t lost = in->started ? missing(in) : 0;
        *in = (Stream){.started = true, .ssrc = ssrc, .first_ts = ts, .max_seq = seq,
                       .first_us = at, .window_ends = at + WINDOW_US, .base_seq = seq,
                       .lost_before = lost, .reported_lost = in->reported_lost,
                       .reported_before = in->reported_before};
    }
    int16_t step = (int16_t)(seq - in->max_seq);
    if (step > 0) {
        if (seq < in->max_seq) in->cycles += 65536;
        in->max_seq = seq;
    }
    in->received++;
    figures.received++;
    note_delay(in, ts, at);
}

void read_media(Leg *leg) {
    unsigned char packet[2048];
    char control[128];
    struct iovec part = {packet, sizeof packet};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    int size = recvmsg(leg->socket, &message, MSG_DONTWAIT);
    if (size < 0) return;
    int64_t at = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item))
        if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(item), sizeof stamp);
            at = (int64_t)stamp.tv_sec * 1000000 + stamp.tv_nsec / 1000;
        }
    hear(leg, packet, size, at);
}

/* Receiver reports: what the server says it has not got of ours (RFC 3550 6.4). */
void read_rtcp(void) {
    unsigned char packet[2048];
    int size;
    while ((size = recv(rtcp, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        if (size < 8 || (packet[1] != 200 && packet[1] != 201)) continue;
        int at = packet[1] == 200 ? 28 : 8;
        if ((packet[0] & 31) == 0 || size < at + 24) continue;
        uint32_t ssrc = get32(packet + at), lost = get32(packet + at + 4) & 0xffffff;
        int index = ssrc & 0xfff;
        if (index < leg_count && legs[index].ssrc == ssrc && lost < 0x800000)
            legs[index].in.reported_lost = lost;
    }
}
