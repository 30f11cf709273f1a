/* Options, the loop, and the reports. Usage: load name=value...; see load.h and generator.py.
 *
 * Standard input takes `mark` (count anew), `figures` (print them), `stop` (hang up and end).
 * Standard output gets one JSON object a line.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

Options options = {.server = "127.0.0.1", .ip = "127.0.0.1", .number = "500",
                   .domain = "centralita", .prefix = "+34600", .key = "1", .server_port = 5060,
                   .sip_port = 6000, .rtp_port = 40000, .at_once = 1, .first_extension = 1000,
                   .callers = 1000, .rate = 10};
Figures figures;
Leg *legs;
int leg_count;
bool stopping;

int64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void add_sample(Samples *samples, double value) {
    if (samples->count == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 1024;
        samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
    }
    samples->values[samples->count++] = (float)value;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, Samples *samples) {
    int n = samples->count;
    if (!n) return;
    qsort(samples->values, n, sizeof *samples->values, ascending);
    printf(",\"%s_p50\":%.2f,\"%s_p99\":%.2f,\"%s_max\":%.2f", name, samples->values[n / 2], name,
           samples->values[n * 99 / 100], name, samples->values[n - 1]);
}

static void print_figures(const char *type) {
    printf("{\"type\":\"%s\",\"seconds\":%.3f,\"started\":%ld,\"answered\":%ld,\"ended\":%ld,"
           "\"failed\":%ld,\"cut\":%ld,\"up\":%d,\"agents_up\":%d,\"registered\":%d,\"rung\":%ld,"
           "\"picked_up\":%ld,\"keys\":%ld,\"sent\":%ld,\"unsent\":%ld,\"received\":%ld,"
           "\"lost\":%ld,\"reported_lost\":%ld,\"late\":%ld,\"repeated\":%ld,\"worst_lag_ms\":%.1f",
           type, (now_us() - figures.since_us) / 1e6, figures.started, figures.answered,
           figures.ended, figures.failed, figures.cut, busy(false), busy(true), registered(),
           figures.rung, figures.picked_up, figures.keys, figures.sent, figures.unsent,
           figures.received, lost_now(), reported_now(), figures.late, figures.repeated,
           figures.worst_lag_us / 1000.0);
    if (strcmp(type, "progress")) {
        print_samples("setup_ms", &figures.setup_ms);
        print_samples("ring_ms", &figures.ring_ms);
        printf(",\"codes\":{");
        for (int i = 0, some = 0; i < 700; i++)
            if (figures.codes[i]) printf("%s\"%d\":%ld", some++ ? "," : "", i, figures.codes[i]);
        printf("},\"delays_ms\":[");
        for (int i = 0; i < DELAYS; i++) printf("%s%ld", i ? "," : "", figures.delays[i]);
        printf("]");
    }
    printf("}\n");
    fflush(stdout);
}

static void mark(void) {
    Samples setup = figures.setup_ms, rings = figures.ring_ms;
    setup.count = rings.count = 0;
    figures = (Figures){.setup_ms = setup, .ring_ms = rings, .since_us = now_us()};
    mark_media();
}

static void obey(void) {
    char line[256];
    int size = read(0, line, sizeof line - 1);
    if (size <= 0) {
        stopping = true;
        return;
    }
    line[size] = 0;
    for (char *rest = line, *word; (word = strsep(&rest, "\n"));) {
        if (!strcmp(word, "mark")) mark();
        else if (!strcmp(word, "figures")) print_figures("figures");
        else if (!strcmp(word, "stop")) stopping = true;
    }
}

static void read_options(int count, char **words) {
    struct { const char *name; char *text; int room; } texts[] = {
        {"server", options.server, 64}, {"ip", options.ip, 64}, {"number", options.number, 64},
        {"domain", options.domain, 64}, {"password", options.password, 64},
        {"audio", options.audio, 512}, {"agent_audio", options.agent_audio, 512},
        {"prefix", options.prefix, 32}, {"key", options.key, 4}};
    struct { const char *name; int *number; } numbers[] = {
        {"server_port", &options.server_port}, {"sip_port", &options.sip_port},
        {"rtp_port", &options.rtp_port}, {"at_once", &options.at_once},
        {"agents", &options.agents}, {"first_extension", &options.first_extension},
        {"callers", &options.callers}};
    struct { const char *name; long *number; } longs[] = {
        {"total", &options.total}, {"hold_ms", &options.hold_ms},
        {"answer_ms", &options.answer_ms}, {"key_every_ms", &options.key_every_ms}};
    for (int i = 1; i < count; i++) {
        char *value = strchr(words[i], '=');
        bool known = false;
        if (value) *value++ = 0;
#define EACH(list) for (unsigned k = 0; value && k < sizeof list / sizeof *list; k++) \
        if (!strcmp(words[i], list[k].name))
        EACH(texts) known = snprintf(texts[k].text, texts[k].room, "%s", value) < texts[k].room;
        EACH(numbers) *numbers[k].number = atoi(value), known = true;
        EACH(longs) *longs[k].number = atol(value), known = true;
        if (value && !strcmp(words[i], "rate")) options.rate = atof(value), known = true;
        if (!known) {
            fprintf(stderr, "load: there is no option %s, or its value is too long\n", words[i]);
            exit(2);
        }
    }
}

static int timer(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(fd, 0, &every, NULL);
    return fd;
}

static void watch(int epoll, int fd, unsigned data) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = data};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* One millisecond after another, also those that we slept through. */
static void catch_up(int64_t began, int64_t *ticks) {
    int64_t now = now_us(), due = (now - began) / 1000;
    if (now - began - *ticks * 1000 > figures.worst_lag_us)
        figures.worst_lag_us = now - began - *ticks * 1000;
    for (; *ticks < due; ++*ticks) send_slot(*ticks % PTIME_MS, now);
}

int main(int count, char **words) {
    read_options(count, words);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    leg_count = options.at_once + options.agents;
    legs = calloc(leg_count, sizeof *legs);
    for (int i = 0; i < leg_count; i++) {
        legs[i].index = i;
        legs[i].agent = i >= options.at_once;
    }
    int epoll = epoll_create1(0);
    int clock = timer();
    watch(epoll, 0, 0);
    watch(epoll, clock, 1);
    open_sip();
    watch(epoll, sip_socket(), 2);
    open_media(epoll);
    srandom(getpid());
    mark();
    int64_t began = now_us(), ticks = 0, progress_at = began, over_by = 0;
    struct epoll_event events[256];
    while (true) {
        int ready = epoll_wait(epoll, events, 256, 20);
        for (int i = 0; i < ready; i++) {
            unsigned which = events[i].data.u32;
            if (which == 0) obey();
            else if (which == 1) {
                uint64_t expired;
                if (read(clock, &expired, sizeof expired) > 0) catch_up(began, &ticks);
            } else if (which == 2) read_sip();
            else read_media(&legs[which - 3]);
        }
        int64_t now = now_us();
        static int64_t driven_at;
        if (now - driven_at >= 1000) {
            driven_at = now;
            drive(now);
        }
        if (now >= progress_at) {
            progress_at += 1000000;
            read_rtcp();
            print_figures("progress");
        }
        if (stopping) {
            if (!over_by) over_by = now + 10000000;
            hang_up_all();
        }
        if (stopping && ((!busy(false) && !busy(true)) || now > over_by)) break;
    }
    print_figures("last");
    return 0;
}
