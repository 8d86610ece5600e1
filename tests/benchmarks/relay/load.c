/* Agents that send chat requests: load PORT NAME=VALUE...

   Each agent has a connection and one session after another. A session has 32 requests with the session's name in a
   header, unless `named=0`, and the headers of the OpenAI SDK; each request is longer than the one before by two
   messages. `size` is the average body. After `warm` milliseconds the program prints "go"; after `ms` more it prints what it has seen since then
   as JSON. With `hold=1` it prints "go" once all requests are sent, and ends when its standard input ends.
   `ping=PATH` asks for this path each 2 ms on a connection of its own. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 32, HEAD_ROOM = 1024, TAIL_ROOM = 256, ON_TIME_NS = 20000000 };
enum state { HEAD, COUNTED, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER };

struct agent {
    int fd, number, session, turn, status;
    char *buffer;                 /* HEAD_ROOM bytes, then the body; its messages take `messages` bytes */
    size_t messages, unsent;
    char *out;
    enum state state;
    char text[2048];              /* the answer's head, a chunk's size, or an unfinished line of the stream */
    size_t text_length, line_length;
    char line[1024];
    unsigned long left;           /* bytes of the body or chunk still to come */
    int64_t sent_at;
    bool waiting, awaits_first, is_ping;
};

struct samples { uint32_t *us; size_t count, size; };

static long port, connections = 1, ms = 1000, warm = 200, size = 4000, named = 1, stream, events = 100, pace, hold;
static const char *ping;
static int poll_fd;
static bool measuring;
static long requests, failures, delivered, on_time;
static struct samples latencies, first_bytes, pings;
static char *filler;

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void note(struct samples *samples, int64_t nanoseconds) {
    if (!measuring && samples != &first_bytes) return;  /* few streams begin later */
    if (samples->count == samples->size) samples->us = realloc(samples->us, (samples->size = samples->size * 2 + 4096) * 4);
    if (!samples->us) abort();
    samples->us[samples->count++] = nanoseconds / 1000;
}

static void fail(struct agent *agent, const char *why) {
    if ((measuring || hold) && !failures++) fprintf(stderr, "load: %s (status %d): %.200s\n", why, agent->status, agent->text);
}

static void watch(struct agent *agent, int operation, bool writable) {
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = agent};
    epoll_ctl(poll_fd, operation, agent->fd, &event);
}

static void begin_session(struct agent *agent) {
    size_t growth = size / TURNS > 90 ? size / TURNS : 90, start = (size_t)size > growth * TURNS / 2 ? size - growth * TURNS / 2 : 300;
    char *body = agent->buffer + HEAD_ROOM;
    size_t shared = start / 3, own = start - start / 3 - 150;
    agent->session++;
    agent->turn = 0;
    size_t length = sprintf(body, "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"");
    memcpy(body + length, filler, shared);
    length += shared;
    length += sprintf(body + length, "\"},{\"role\":\"user\",\"content\":\"%d %d %d ", getpid(), agent->number,
        agent->session);
    memcpy(body + length, filler, own);
    agent->messages = length + own + sprintf(body + length + own, "\"}");
}

static void go_on(struct agent *agent) {
    size_t growth = size / TURNS > 90 ? size / TURNS : 90;
    char *body = agent->buffer + HEAD_ROOM;
    size_t length = agent->messages;
    size_t filled = (growth - 75) / 2;
    length += sprintf(body + length, ",{\"role\":\"assistant\",\"content\":\"%d ", agent->turn);
    memcpy(body + length, filler, filled);
    length += filled;
    length += sprintf(body + length, "\"},{\"role\":\"user\",\"content\":\"%d ", agent->turn);
    memcpy(body + length, filler, filled);
    agent->messages = length + filled + sprintf(body + length + filled, "\"}");
}

static void flush(struct agent *agent) {
    ssize_t sent = write(agent->fd, agent->out, agent->unsent);
    if (sent > 0) agent->out += sent, agent->unsent -= sent;
}

static void ask(struct agent *agent) {
    char head[HEAD_ROOM], session[64] = "";
    size_t length;
    agent->state = HEAD;
    agent->text_length = agent->line_length = 0;
    agent->waiting = agent->awaits_first = true;
    if (agent->is_ping) {
        length = sprintf(agent->out = agent->buffer, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\n\r\n", ping, port);
    } else {
        if (agent->turn == TURNS || !agent->session) begin_session(agent);
        else if (agent->turn) go_on(agent);
        char *body = agent->buffer + HEAD_ROOM;
        long asked = agent->turn || agent->session > 1 ? events : 1 + random() % events;  /* streams do not end together */
        size_t body_length = agent->messages + sprintf(body + agent->messages,
            "],\"stream\":%s,\"max_tokens\":%ld,\"seed\":%ld}", stream ? "true" : "false", asked, pace);
        agent->turn++;
        if (named) sprintf(session, "X-Session-Id: %d-%d-%d\r\n", getpid(), agent->number, agent->session);
        length = sprintf(head,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nAccept-Encoding: gzip, deflate\r\n"
            "Connection: keep-alive\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
            "User-Agent: OpenAI/Python 2.8.1\r\nX-Stainless-Lang: python\r\nX-Stainless-Package-Version: 2.8.1\r\n"
            "X-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n"
            "X-Stainless-Runtime-Version: 3.11.9\r\nAuthorization: Bearer none\r\nX-Stainless-Async: false\r\n"
            "x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n%sContent-Length: %zu\r\n\r\n",
            port, session, body_length);
        agent->out = memcpy(body - length, head, length);
        length += body_length;
    }
    agent->unsent = length;
    agent->sent_at = clock_ns();
    flush(agent);
    if (agent->unsent) watch(agent, EPOLL_CTL_MOD, true);
}

static void dial(struct agent *agent) {
    struct sockaddr_in address = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int yes = 1;
    agent->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(agent->fd, (struct sockaddr *)&address, sizeof address)) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(agent->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    watch(agent, EPOLL_CTL_ADD, false);
}

static void end(struct agent *agent) {
    agent->waiting = false;
    if (agent->is_ping) return note(&pings, clock_ns() - agent->sent_at);
    if (agent->status != 200) fail(agent, "not answered");
    else if (measuring) requests++;
    if (!stream) note(&latencies, clock_ns() - agent->sent_at);
    if (!hold) ask(agent);
}

static void see_line(struct agent *agent) {
    static const char mark[] = "\"content\":\" ";
    agent->line[agent->line_length] = 0;
    char *found = agent->line_length > 5 && !memcmp(agent->line, "data:", 5) ? strstr(agent->line, mark) : NULL;
    agent->line_length = 0;
    if (!found || !measuring) return;
    delivered++;
    on_time += clock_ns() - (int64_t)strtoll(found + sizeof mark - 1, NULL, 10) <= ON_TIME_NS;
}

static void see(struct agent *agent, const char *data, size_t length) {
    if (!stream) return;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') see_line(agent);
        else if (agent->line_length < sizeof agent->line - 1) agent->line[agent->line_length++] = data[i];
    }
}

static void read_head(struct agent *agent) {
    agent->text[agent->text_length] = 0;
    agent->status = atoi(agent->text + 9);
    char *length = strcasestr(agent->text, "\r\ncontent-length:");
    agent->left = length ? strtoul(length + 17, NULL, 10) : 0;
    agent->state = length ? COUNTED : CHUNK_SIZE;
    agent->text_length = 0;
    if (length && !agent->left) end(agent);
}

/* Takes a byte of a head, of a chunk's size or of the lines around chunks. */
static void take_text(struct agent *agent, char byte) {
    char *text = agent->text;
    if (agent->text_length < sizeof agent->text - 1) text[agent->text_length++] = byte;
    if (byte != '\n') return;
    if (agent->state == HEAD) {
        if (agent->text_length >= 4 && !memcmp(text + agent->text_length - 4, "\r\n\r\n", 4)) read_head(agent);
        return;
    }
    bool empty = agent->text_length <= 2;
    text[agent->text_length] = 0;
    agent->text_length = 0;
    if (agent->state == CHUNK_SIZE) agent->state = (agent->left = strtoul(text, NULL, 16)) ? CHUNK : TRAILER;
    else if (agent->state == CHUNK_END) agent->state = CHUNK_SIZE;
    else if (empty) end(agent);
}

static void take(struct agent *agent, const char *data, size_t length) {
    if (agent->awaits_first && !agent->is_ping) note(&first_bytes, clock_ns() - agent->sent_at);
    agent->awaits_first = false;
    while (length && agent->waiting) {
        if (agent->state != COUNTED && agent->state != CHUNK) {
            take_text(agent, *data++);
            length--;
            continue;
        }
        size_t part = agent->left < length ? agent->left : length;
        see(agent, data, part);
        data += part, length -= part, agent->left -= part;
        if (agent->left) continue;
        if (agent->state == COUNTED) end(agent);
        else agent->state = CHUNK_END;
    }
}

static void receive(struct agent *agent) {
    static char data[1 << 18];
    ssize_t got = recv(agent->fd, data, sizeof data, MSG_DONTWAIT);
    if (got > 0) return take(agent, data, got);
    if (got < 0 && errno == EAGAIN) return;
    close(agent->fd);  /* which a proxy may do between two requests */
    if (agent->waiting) fail(agent, "cut off");
    dial(agent);
    if (agent->waiting && !hold) ask(agent);
}

static int compare(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void print(const char *name, struct samples *samples) {
    size_t count = samples->count;
    qsort(samples->us, count, 4, compare);
    for (int part = 50; part <= 100; part += part == 50 ? 49 : 1) {
        size_t place = count * part / 100;
        printf(",\"%s_%d\":%u", name, part, count ? samples->us[place < count ? place : count - 1] : 0);
    }
}

static void read_settings(int count, char **arguments) {
    struct { const char *name; long *value; } known[] = {
        {"connections", &connections}, {"ms", &ms}, {"warm", &warm}, {"size", &size}, {"named", &named}, {"stream", &stream},
        {"events", &events}, {"pace", &pace}, {"hold", &hold}};
    port = count > 1 ? atol(arguments[1]) : 0;
    for (int i = 2; i < count; i++) {
        if (!strncmp(arguments[i], "ping=", 5)) ping = arguments[i] + 5;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            size_t length = strlen(known[k].name);
            if (!strncmp(arguments[i], known[k].name, length) && arguments[i][length] == '=')
                *known[k].value = atol(arguments[i] + length + 1);
        }
    }
}

int main(int count, char **arguments) {
    static const char source[] = "def read(path):\\n    with open(path) as file:\\n        return \\\"x\\\" + file.read()\\n\\n";
    read_settings(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    size_t room = HEAD_ROOM + TAIL_ROOM + size * 2 + TURNS * 128;
    filler = malloc(room + sizeof source);
    for (size_t i = 0; i < room; i += sizeof source - 1) memcpy(filler + i, source, sizeof source);
    struct agent *agents = calloc(connections + 1, sizeof *agents), *pinger = agents + connections;
    poll_fd = epoll_create1(0);
    int tick = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(tick, 0, &every, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &tick};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, tick, &event);
    long begun = 0, ticks = 0;
    int64_t start = clock_ns(), from = 0;
    if (ping) {
        *pinger = (struct agent){.is_ping = true, .buffer = malloc(512)};
        dial(pinger);
    }
    while (true) {
        int64_t now = clock_ns(), ramp = stream ? warm * 500000 : hold ? connections * 200000 : 0;
        /* streams begin one after another within the first half of the time to warm up */
        long due = ramp && now - start < ramp ? connections * (now - start) / ramp + 1 : connections;
        for (; begun < due && begun < connections; begun++) {
            agents[begun] = (struct agent){.number = begun, .buffer = malloc(room)};
            dial(&agents[begun]);
            ask(&agents[begun]);
        }
        if (!measuring && begun == connections && now - start - ramp >= warm * 1000000) {
            measuring = true;
            from = now;
            event.data.ptr = NULL;
            if (hold && epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event)) return 1;
            puts("go");
            fflush(stdout);
        }
        if (measuring && !hold && now - from >= ms * 1000000) break;
        struct epoll_event ready[256];
        int many = epoll_wait(poll_fd, ready, 256, -1);
        for (int i = 0; i < many; i++) {
            struct agent *agent = ready[i].data.ptr;
            uint64_t passed;
            if (!agent) goto ended;
            if ((void *)agent == &tick) {
                if (read(tick, &passed, sizeof passed) > 0 && (ticks += passed) % 2 == 0 && ping && !pinger->waiting) ask(pinger);
                continue;
            }
            if (ready[i].events & EPOLLOUT) {
                flush(agent);
                if (!agent->unsent) watch(agent, EPOLL_CTL_MOD, false);
            }
            if (ready[i].events & ~EPOLLOUT) receive(agent);
        }
    }
ended:
    printf("{\"seconds\":%f,\"requests\":%ld,\"failures\":%ld,\"events\":%ld,\"on_time\":%ld",
        (clock_ns() - from) / 1e9, requests, failures, delivered, on_time);
    print("latency", &latencies);
    print("first", &first_bytes);
    print("ping", &pings);
    puts("}");
}
