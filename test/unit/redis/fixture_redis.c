#include "fixture_redis.h"

#include <stdio.h>
#include <string.h>

static void on_answer(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct answer *a = context;
    a->count++;
    a->outcome = outcome;
    a->text[0] = 0;
    a->number = 0;
    if (!reply)
        return;
    a->kind = reply->kind;
    a->number = reply->number;
    if (reply->text.p)
        snprintf(a->text, sizeof a->text, "%.*s", STR_ARG(reply->text));
}

void user_open(struct user *u, const struct redis_server *servers, uint32_t count,
               struct redis_config config)
{
    struct redis_address addresses[REDIS_NODES_MAX];
    memset(u, 0, sizeof *u);
    uv_loop_init(&u->loop);
    for (uint32_t i = 0; i < count; i++)
        addresses[i] = (struct redis_address){"127.0.0.1", servers[i].port};
    config.loop = &u->loop;
    config.addresses = addresses;
    config.address_count = count;
    assert_int_equal(redis_create(&u->redis, &config, NULL), 0);
}

void user_close(struct user *u)
{
    redis_close(u->redis, NULL, NULL);
    uv_run(&u->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&u->loop), 0);
}

static void on_turn(uv_timer_t *timer)
{
    (void)timer;
}

void user_turn(struct user *u)
{
    uv_timer_t timer;
    uv_timer_init(&u->loop, &timer);
    uv_timer_start(&timer, on_turn, 5, 5); /* again: once may be over before the loop waits */
    uv_run(&u->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&u->loop, UV_RUN_NOWAIT);
}

int user_send(struct user *u, const char *key, const char *command)
{
    struct str words[16];
    size_t n = 0;
    for (const char *p = command; *p; n++) {
        size_t size = strcspn(p, " ");
        words[n] = (struct str){p, (uint32_t)size};
        p += size + (p[size] == ' ');
    }
    int code = redis_call(u->redis, str_of(key), words, n, on_answer, &u->last);
    redis_flush(u->redis);
    return code;
}

int user_send_script(struct user *u, uint32_t script, const char *key, const char *argument)
{
    const struct str keys[] = {str_of(key)}, arguments[] = {str_of(argument)};
    int code = redis_call_script(u->redis, script, keys, 1, arguments, 1, on_answer, &u->last);
    redis_flush(u->redis);
    return code;
}

const struct answer *user_do(struct user *u, const char *key, const char *command)
{
    int before = u->last.count;
    RUN_UNTIL(u, user_send(u, key, command) == 0);
    RUN_UNTIL(u, u->last.count > before);
    return &u->last;
}
