/* waiting.c - the rooms of a process, by sale_id; their lock, their key, and the thread that syncs.
 *
 * Happy path: waiting_open() reads the key and every room; join and look find the room by a hash of
 * the sale_id, tell it how the sale stands and what to do. Failure: a key or a room that cannot be
 * read keeps the server from starting; later what cannot be written is refused as UNAVAILABLE.
 */
#include "waiting/waiting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "waiting/room.h"
#include "waiting/ticket.h"

struct waiting_rooms {
    pthread_mutex_t lock;
    struct room *rooms[WAITING_ROOMS_MAX];
    uint32_t room_count;
    uint64_t users;
    uint8_t key[SHA256_BYTES];
    char folder[1000];
    uint64_t hash_seed;
    uint32_t users_max;
    /* the thread that syncs */
    pthread_t thread;
    pthread_cond_t work;
    bool started, dirty, ending;
};

const char *ticket_status_name(enum ticket_status status)
{
    static const char *const names[] = {"WAITING", "ADMITTED", "SOLD_OUT", "CLOSED"};
    return names[status];
}

/* ---- the folder ---- */

static int read_key(struct waiting_rooms *w, struct error *e)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/key", w->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        ssize_t size = read(fd, w->key, sizeof w->key);
        close(fd);
        return size == sizeof w->key ? 0 : error_set(e, TLY_EIO, "data", "%s is cut off", path);
    }
    char made[1110];
    snprintf(made, sizeof made, "%s.new", path);
    fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && random_bytes(w->key, sizeof w->key) == 0 &&
              write(fd, w->key, sizeof w->key) == sizeof w->key && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!ok || rename(made, path) != 0)
        return error_set(e, TLY_EIO, "data", "cannot write %.150s: %s", path, strerror(errno));
    return 0;
}

static void room_path(const struct waiting_rooms *w, struct str sale_id, char *out, size_t size)
{
    uint8_t hash[SHA256_BYTES];
    sha256(sale_id.p, sale_id.len, hash);
    int len = snprintf(out, size, "%s/room-", w->folder);
    for (size_t i = 0; i < 16; i++)
        len += snprintf(out + len, size - (size_t)len, "%02x", hash[i]);
}

static int load_rooms(struct waiting_rooms *w, int64_t now_ms, struct error *e)
{
    int code = 0;
    DIR *folder = opendir(w->folder);
    struct dirent *entry;
    if (!folder)
        return error_set(e, TLY_EIO, "data", "cannot read %.150s: %s", w->folder, strerror(errno));
    while (!code && (entry = readdir(folder))) {
        char path[1300];
        if (strncmp(entry->d_name, "room-", 5) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", w->folder, entry->d_name);
        struct room *r = room_load(path, w->key, e);
        if (!r) {
            code = TLY_EIO;
        } else if (r->head.ends_ms + WAITING_KEPT_MS < now_ms ||
                   w->room_count == WAITING_ROOMS_MAX) {
            unlink(path);
            room_destroy(r);
        } else {
            w->rooms[w->room_count++] = r;
            w->users += r->line.count;
        }
    }
    closedir(folder);
    return code;
}

/* ---- the thread ---- */

static struct room *find_dirty(const struct waiting_rooms *w)
{
    for (uint32_t i = 0; i < w->room_count; i++) {
        if (w->rooms[i]->dirty)
            return w->rooms[i];
    }
    return NULL;
}

/* Rooms may come and go while the lock is not held. */
static void sync_rooms(struct waiting_rooms *w)
{
    struct room *r;
    while ((r = find_dirty(w))) {
        r->dirty = false;
        int fd = dup(r->fd);
        pthread_mutex_unlock(&w->lock);
        if (fd >= 0) {
            (void)fdatasync(fd);
            close(fd);
        }
        pthread_mutex_lock(&w->lock);
    }
}

static void *run(void *context)
{
    struct waiting_rooms *w = context;
    pthread_setname_np(pthread_self(), "tally-waiting");
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->dirty && !w->ending)
            pthread_cond_wait(&w->work, &w->lock);
        bool ending = w->ending;
        w->dirty = false;
        sync_rooms(w);
        if (ending)
            break;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WAITING_SYNC_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (!w->ending && pthread_cond_timedwait(&w->work, &w->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void wake(struct waiting_rooms *w, const struct room *r)
{
    if (!r->dirty || w->dirty)
        return;
    w->dirty = true;
    pthread_cond_signal(&w->work);
}

/* ---- life ---- */

int waiting_open(struct waiting_rooms **out, const struct waiting_config *config, struct error *e)
{
    struct waiting_rooms *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory for waiting rooms");
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    snprintf(w->folder, sizeof w->folder, "%s", config->folder);
    w->hash_seed = config->hash_seed;
    w->users_max = config->users_max;
    int code = 0;
    if (mkdir(w->folder, 0700) != 0 && errno != EEXIST)
        code = error_set(e, TLY_EIO, "data", "cannot make %.150s: %s", w->folder, strerror(errno));
    if (!code)
        code = read_key(w, e);
    if (!code)
        code = load_rooms(w, config->now_ms, e);
    if (!code && pthread_create(&w->thread, NULL, run, w) != 0)
        code = error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread");
    w->started = code == 0;
    if (code) {
        waiting_close(w);
        return code;
    }
    *out = w;
    return 0;
}

void waiting_close(struct waiting_rooms *w)
{
    if (!w)
        return;
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->ending = true;
        pthread_cond_signal(&w->work);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    for (uint32_t i = 0; i < w->room_count; i++)
        room_destroy(w->rooms[i]);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* ---- rooms ---- */

static struct room *find_room(const struct waiting_rooms *w, struct str sale_id)
{
    for (uint32_t i = 0; i < w->room_count; i++) {
        if (str_equal(room_sale(w->rooms[i]), sale_id))
            return w->rooms[i];
    }
    return NULL;
}

static void forget_ended(struct waiting_rooms *w, int64_t now_ms)
{
    for (uint32_t i = 0; i < w->room_count;) {
        struct room *r = w->rooms[i];
        if (r->head.ends_ms + WAITING_KEPT_MS >= now_ms) {
            i++;
            continue;
        }
        unlink(r->path);
        w->users -= r->line.count;
        room_destroy(r);
        w->rooms[i] = w->rooms[--w->room_count];
    }
}

static struct room *find_or_make(struct waiting_rooms *w, const struct sale_now *sale,
                                 struct error *e)
{
    struct room *r = find_room(w, sale->sale_id);
    if (r)
        return r;
    forget_ended(w, sale->now_ms);
    if (w->room_count == WAITING_ROOMS_MAX) {
        error_set(e, TLY_EOVERLOADED, "", "there are %d waiting rooms already", WAITING_ROOMS_MAX);
        return NULL;
    }
    char path[1100];
    room_path(w, sale->sale_id, path, sizeof path);
    r = room_create(path, sale, w->key, e);
    if (r)
        w->rooms[w->room_count++] = r;
    return r;
}

static uint64_t user_hash(const struct waiting_rooms *w, struct str user_id)
{
    uint64_t hash = hash64(user_id, w->hash_seed);
    return hash ? hash : 1;
}

static int add(struct waiting_rooms *w, struct room *r, uint64_t user, uint32_t at, struct error *e)
{
    uint32_t before = r->line.count;
    if (w->users + (at + 1 - before) > w->users_max)
        return error_set(e, TLY_EOVERLOADED, "",
                         "waiting_users_max: %u users wait already; try again", w->users_max);
    int code = room_add(r, user, at, e);
    w->users += r->line.count - before;
    return code;
}

static int show(struct waiting_rooms *w, struct room *r, uint64_t user, uint32_t number,
                const struct sale_now *sale, struct ticket_view *out, struct error *e)
{
    int code = room_see(r, sale, e);
    wake(w, r);
    if (code)
        return code;
    struct ticket t = {.number = number, .user = user, .sale_id_len = r->head.sale_id_len};
    memcpy(t.sale_id, r->head.sale_id, sizeof t.sale_id);
    room_show(r, number, sale, out);
    ticket_write(&t, w->key, out->text);
    return 0;
}

int waiting_join(struct waiting_rooms *w, const struct sale_now *sale, struct str user_id,
                 struct ticket_view *out, struct error *e)
{
    uint64_t user = user_hash(w, user_id);
    int code = 0;
    pthread_mutex_lock(&w->lock);
    struct room *r = find_or_make(w, sale, e);
    if (!r) {
        pthread_mutex_unlock(&w->lock);
        return e->code;
    }
    uint32_t number = line_find(&r->line, user);
    /* Who comes after the opening stands behind the draw. */
    if (number == LINE_NOBODY)
        code = room_see(r, sale, e);
    if (!code && number == LINE_NOBODY) {
        number = r->line.count;
        code = add(w, r, user, number, e);
    }
    if (!code)
        code = show(w, r, user, number, sale, out, e);
    pthread_mutex_unlock(&w->lock);
    return code;
}

int waiting_read(struct waiting_rooms *w, struct str text, struct ticket *out)
{
    return ticket_parse(text, w->key, out);
}

/* Its entry may have been lost: the ticket proves it. */
static int know_again(struct waiting_rooms *w, struct room *r, const struct ticket *t,
                      struct error *e)
{
    if (t->number < r->line.count)
        return 0;
    return add(w, r, t->user, t->number, e);
}

int waiting_look(struct waiting_rooms *w, const struct ticket *t, const struct sale_now *sale,
                 struct ticket_view *out, struct error *e)
{
    pthread_mutex_lock(&w->lock);
    struct room *r = find_or_make(w, sale, e);
    int code = r ? know_again(w, r, t, e) : e->code;
    if (!code)
        code = show(w, r, t->user, t->number, sale, out, e);
    pthread_mutex_unlock(&w->lock);
    return code;
}

enum waiting_verdict waiting_admits(struct waiting_rooms *w, struct str text, struct str sale_id,
                                    struct str user_id)
{
    struct ticket t;
    uint32_t place;
    if (ticket_parse(text, w->key, &t) || !str_equal(ticket_sale(&t), sale_id))
        return WAITING_NO_TICKET;
    if (t.user != user_hash(w, user_id))
        return WAITING_NOT_YOURS;
    pthread_mutex_lock(&w->lock);
    const struct room *r = find_room(w, sale_id);
    bool admitted = r && room_place(r, t.number, &place) && place < r->pace.admitted;
    pthread_mutex_unlock(&w->lock);
    return admitted ? WAITING_ADMITS : WAITING_NOT_YET;
}

void waiting_figures(struct waiting_rooms *w, struct waiting_figures *out)
{
    pthread_mutex_lock(&w->lock);
    *out = (struct waiting_figures){.rooms = w->room_count, .users = (uint32_t)w->users};
    for (uint32_t i = 0; i < w->room_count; i++)
        out->bytes += w->rooms[i]->line.bytes + sizeof *w->rooms[i];
    pthread_mutex_unlock(&w->lock);
}
