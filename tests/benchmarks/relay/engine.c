/* An inference server that costs almost nothing: engine PORT

   A whole answer is 1 kB. A stream gets `max_tokens` events. The field `seed` of the request is its pace: 0 sends events
   as fast as the reader takes them, 9999 never answers, and any other number is milliseconds between two events. All
   paced streams get theirs in the same step, as from the batch of a real engine, one write an event. Each event carries
   the time of its write on the monotonic clock, in nanoseconds. */
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

enum { NEVER = 9999, ENDS_LOOKED_AT = 4096 };

struct connection {
    int fd, slot;   /* slot: place in `active`, or -1 */
    char *in;       /* the request so far */
    size_t length, size, wanted;
    char *out;      /* what the socket did not take */
    size_t pending, out_size;
    long remaining; /* events of the stream */
    bool asks_usage;
};

struct set { struct connection **items; int count, size; };

static int poll_fd, timer_fd;
static struct set paced, flooded;

static const char METRICS[] =
    "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"m\"} 8.0\n"
    "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 0.0\n"
    "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.1\n"
    "# TYPE vllm:cache_config_info gauge\n"
    "vllm:cache_config_info{block_size=\"16\",engine=\"0\",num_gpu_blocks=\"6553600\"} 1.0\n";
static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\",\"owned_by\":\"x\"}]}";
static const char MODEL[] = "{\"model_path\":\"m\",\"served_model_name\":\"m\",\"is_generation\":true,\"dp_size\":1}";
static const char EVENT[] =
    "data: {\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":"
    "[{\"index\":0,\"delta\":{\"content\":\" %016llu\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char LAST[] =
    "data: {\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":"
    "[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}]}\n\n";
static const char USAGE[] =
    "data: {\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],"
    "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":150,\"total_tokens\":1150,"
    "\"prompt_tokens_details\":{\"cached_tokens\":900}}}\n\n";
static const char DONE[] = "data: [DONE]\n\n";
static const char NOT_FOUND[] = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\nserver: bench\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";

static void *grown(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory) abort();
    return memory;
}

static void join(struct set *set, struct connection *one) {
    if (set->count == set->size) set->items = grown(set->items, (set->size = set->size * 2 + 64) * sizeof *set->items);
    one->slot = set->count;
    set->items[set->count++] = one;
}

static void leave(struct set *set, struct connection *one) {
    if (one->slot < 0 || one->slot >= set->count || set->items[one->slot] != one) return;
    set->items[one->slot] = set->items[--set->count];
    set->items[one->slot]->slot = one->slot;
    one->slot = -1;
}

static void watch(struct connection *one, bool writable) {
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = one};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, one->fd, &event);
}

static void put(struct connection *one, const char *data, size_t length) {
    if (!one->pending) {
        ssize_t sent = write(one->fd, data, length);
        if (sent == (ssize_t)length) return;
        if (sent > 0) data += sent, length -= sent;
        watch(one, true);
    }
    if (one->pending + length > one->out_size)
        one->out = grown(one->out, one->out_size = 2 * (one->pending + length));
    memcpy(one->out + one->pending, data, length);
    one->pending += length;
}

static void put_chunk(struct connection *one, const char *data, size_t length) {
    char chunk[1024];
    int head = sprintf(chunk, "%zx\r\n", length);
    memcpy(chunk + head, data, length);
    memcpy(chunk + head + length, "\r\n", 2);
    put(one, chunk, head + length + 2);
}

static void put_whole(struct connection *one, const char *type, const char *body) {
    char answer[4096];
    int length = snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nserver: bench\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n%s", type, strlen(body), body);
    put(one, answer, length);
}

static void put_event(struct connection *one) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char event[512];
    int length = sprintf(event, EVENT, (unsigned long long)now.tv_sec * 1000000000ULL + now.tv_nsec);
    put_chunk(one, event, length);
    if (--one->remaining > 0) return;
    leave(&paced, one);
    leave(&flooded, one);
    put_chunk(one, LAST, sizeof LAST - 1);
    if (one->asks_usage) put_chunk(one, USAGE, sizeof USAGE - 1);
    put_chunk(one, DONE, sizeof DONE - 1);
    put(one, "0\r\n\r\n", 5);
}

/* Where the field stands, in the first or last bytes of the body, or NULL. */
static const char *field(const char *body, size_t length, const char *name) {
    size_t part = length < ENDS_LOOKED_AT ? length : ENDS_LOOKED_AT;
    const char *found = memmem(body + length - part, part, name, strlen(name));
    found = found ? found : memmem(body, part, name, strlen(name));
    if (found) found += strlen(name);
    while (found && (*found == ' ' || *found == ':')) found++;
    return found;
}

static void answer_chat(struct connection *one, const char *body, size_t length) {
    const char *stream = field(body, length, "\"stream\""), *events = field(body, length, "\"max_tokens\"");
    const char *pace = field(body, length, "\"seed\""), *usage = field(body, length, "\"include_usage\"");
    long interval = pace ? atol(pace) : 0;
    if (interval == NEVER) return;
    if (!stream || *stream != 't') {
        char answer[2048], words[701];
        memset(words, 'x', 700);
        words[700] = 0;
        snprintf(answer, sizeof answer,
            "{\"id\":\"chatcmpl-0\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
            "\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"tool_calls\":[]},\"logprobs\":null,"
            "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":150,"
            "\"total_tokens\":%zu,\"prompt_tokens_details\":{\"cached_tokens\":%zu}}}",
            words, length / 4, length / 4 + 150, length / 40 * 9);
        put_whole(one, "application/json", answer);
        return;
    }
    one->remaining = events ? atol(events) : 100;
    one->asks_usage = usage && *usage == 't';
    put(one, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    if (interval && !paced.count) {
        struct itimerspec every = {.it_interval = {interval / 1000, interval % 1000 * 1000000}};
        every.it_value = every.it_interval;
        timerfd_settime(timer_fd, 0, &every, NULL);
    }
    join(interval ? &paced : &flooded, one);
    put_event(one);
}

static void answer(struct connection *one, const char *body, size_t length) {
    if (!strncmp(one->in, "GET /metrics", 12)) put_whole(one, "text/plain; version=0.0.4; charset=utf-8", METRICS);
    else if (!strncmp(one->in, "GET /v1/models", 14)) put_whole(one, "application/json", MODELS);
    else if (!strncmp(one->in, "GET ", 4)) put_whole(one, "application/json", MODEL);
    else if (!strncmp(one->in, "POST /v1/chat/completions ", 26)) answer_chat(one, body, length);
    else put(one, NOT_FOUND, sizeof NOT_FOUND - 1);
}

static void drop(struct connection *one) {
    leave(&paced, one);
    leave(&flooded, one);
    close(one->fd);
    free(one->in);
    free(one->out);
    free(one);
}

/* Returns whether the connection goes on. */
static bool take(struct connection *one) {
    while (true) {
        if (one->size - one->length < 4096) one->in = grown(one->in, one->size = one->size * 2 + 8192);
        ssize_t got = read(one->fd, one->in + one->length, one->size - one->length - 1);
        if (got < 0 && errno == EAGAIN) return true;
        if (got <= 0) return false;
        one->length += got;
        one->in[one->length] = 0;
        if (!one->wanted) {
            char *end = memmem(one->in, one->length, "\r\n\r\n", 4);
            if (!end) continue;
            *end = 0;
            char *length = strcasestr(one->in, "\r\ncontent-length:");
            one->wanted = end + 4 - one->in + (length ? atol(length + 17) : 0);
        }
        if (one->length < one->wanted) continue;
        char *body = one->in + strlen(one->in) + 4;
        answer(one, body, one->in + one->wanted - body);
        one->length = one->wanted = 0;
    }
}

static void flush(struct connection *one) {
    ssize_t sent = write(one->fd, one->out, one->pending);
    if (sent <= 0) return;
    memmove(one->out, one->out + sent, one->pending -= sent);
    if (!one->pending) watch(one, false);
}

static void accept_all(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *one = grown(NULL, sizeof *one);
        *one = (struct connection){.fd = fd, .slot = -1};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {AF_INET, htons(atoi(arguments[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = &timer_fd;
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &event);
    while (true) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll_fd, events, 256, flooded.count ? 0 : -1);
        for (int i = 0; i < ready; i++) {
            struct connection *one = events[i].data.ptr;
            uint64_t steps;
            if ((void *)one == &listener) accept_all(listener);
            else if ((void *)one == &timer_fd) {
                if (read(timer_fd, &steps, sizeof steps) > 0)
                    for (int k = paced.count - 1; k >= 0; k--) put_event(paced.items[k]);
            } else {
                if (events[i].events & EPOLLOUT) flush(one);
                if (events[i].events & ~EPOLLOUT && !take(one)) drop(one);
            }
        }
        for (int k = flooded.count - 1; k >= 0; k--)
            if (!flooded.items[k]->pending) put_event(flooded.items[k]);
    }
}
