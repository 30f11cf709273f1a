/* Closes sockets in the moment in which a packet comes for them, as each call's end does.
 *
 * Usage: closing_race ROUNDS. Ends with 0, or by a crash. One thread polls the ioqueue; here the
 * others' part is played: a socket with a lock of its own reads once, gets some packets more than
 * that, and is closed and freed at once. What was freed is written over, so that whoever still
 * uses it is found out.
 */
#include <pjlib.h>
#include <stdlib.h>
#include <string.h>

static pj_ioqueue_t *ioqueue;
static volatile int finished;

static void read_once(pj_ioqueue_key_t *key, pj_ioqueue_op_key_t *op, pj_ssize_t size)
{
    (void)key;
    (void)op;
    (void)size;
}

static int poll_until_finished(void *unused)
{
    (void)unused;
    while (!finished) {
        pj_time_val timeout = {0, 10};
        pj_ioqueue_poll(ioqueue, &timeout);
    }
    return 0;
}

static void write_over_what_was_freed(void)
{
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        size_t size = 480 + i * 16;
        blocks[i] = malloc(size);
        memset(blocks[i], 0x5a, size);
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
}

/* PJ_FALSE: there was no key, for those of closed sockets are kept for half a second. */
static pj_bool_t one_socket(pj_pool_factory *factory, pj_sock_t sender, int round)
{
    pj_pool_t *pool = pj_pool_create(factory, "key", 1000, 1000, NULL);
    pj_grp_lock_t *lock;
    pj_sock_t socket;
    pj_sockaddr_in address, from;
    int length = sizeof(address), from_length = sizeof(from);
    pj_ioqueue_callback callbacks;
    pj_ioqueue_key_t *key;
    pj_ioqueue_op_key_t op;
    char packet[100];
    pj_ssize_t size = sizeof(packet);
    pj_bool_t registered;

    pj_grp_lock_create(pool, NULL, &lock);
    pj_grp_lock_add_ref(lock);
    pj_sock_socket(pj_AF_INET(), pj_SOCK_DGRAM(), 0, &socket);
    pj_sockaddr_in_init(&address, NULL, 0);
    address.sin_addr = pj_inet_addr2("127.0.0.1");
    pj_sock_bind(socket, &address, sizeof(address));
    pj_sock_getsockname(socket, &address, &length);
    memset(&callbacks, 0, sizeof(callbacks));
    callbacks.on_read_complete = read_once;
    registered = pj_ioqueue_register_sock2(pool, ioqueue, socket, lock, NULL, &callbacks, &key) ==
                 PJ_SUCCESS;
    if (registered) {
        pj_ioqueue_op_key_init(&op, sizeof(op));
        pj_ioqueue_recvfrom(key, &op, packet, &size, PJ_IOQUEUE_ALWAYS_ASYNC, &from, &from_length);
        for (int i = 0; i <= round % 4; i++) {
            pj_ssize_t one = 1;
            pj_sock_sendto(sender, "x", &one, 0, &address, sizeof(address));
        }
        for (volatile int wait = 0; wait < round * 37 % 20000; wait++)
            ;
        pj_ioqueue_unregister(key);
    } else {
        pj_sock_close(socket);
    }
    pj_grp_lock_dec_ref(lock);
    pj_pool_release(pool);
    write_over_what_was_freed();
    return registered;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 10000;
    pj_caching_pool pools;
    pj_pool_t *pool;
    pj_thread_t *poller;
    pj_sock_t sender;

    pj_log_set_level(0);
    pj_init();
    pj_caching_pool_init(&pools, NULL, 0);
    pool = pj_pool_create(&pools.factory, "main", 4000, 4000, NULL);
    pj_ioqueue_create(pool, 4000, &ioqueue);
    pj_thread_create(pool, "poller", poll_until_finished, NULL, 0, 0, &poller);
    pj_sock_socket(pj_AF_INET(), pj_SOCK_DGRAM(), 0, &sender);
    for (int round = 0; round < rounds;) {
        if (one_socket(&pools.factory, sender, round))
            round++;
        else
            pj_thread_sleep(20);
    }
    finished = 1;
    pj_thread_join(poller);
    return 0;
}
