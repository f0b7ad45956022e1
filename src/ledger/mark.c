/* Reading, writing and following DIR/mark.
 *
 * Happy path: a commit is noted under a mutex that nobody holds for long; the thread copies the
 * facts, writes the older slot, syncs, and rests.
 * Failure modes: a slot that does not parse or whose checksum is wrong is no slot; a write or sync
 * that fails closes the file, is counted, and is tried again after the pause.
 */
#include "ledger/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "model/model.h"

enum { SLOT_BYTES = 4096, SLOTS = 2, PATH_SIZE = 4096, TEXT_MAX = 1024 };

#define CHECKSUM_SEED UINT64_C(0x74616c6c796d726b)
#define SLOT_FORMAT                                                                                \
    "tally mark 1\n"                                                                               \
    "generation %" PRIu64 "\n"                                                                     \
    "ledger %016" PRIx64 "\n"                                                                      \
    "newest_seq %" PRId64 "\n"                                                                     \
    "base_seq %" PRId64 "\n"                                                                       \
    "moves %" PRId64 "\n"                                                                          \
    "checkpoint_seq %" PRId64 "\n"                                                                 \
    "backup_at_ms %" PRId64 "\n"
#define SLOT_SCAN                                                                                  \
    "tally mark 1\n"                                                                               \
    "generation %" SCNu64 "\n"                                                                     \
    "ledger %" SCNx64 "\n"                                                                         \
    "newest_seq %" SCNd64 "\n"                                                                     \
    "base_seq %" SCNd64 "\n"                                                                       \
    "moves %" SCNd64 "\n"                                                                          \
    "checkpoint_seq %" SCNd64 "\n"                                                                 \
    "backup_at_ms %" SCNd64 "\n%n"

uint64_t mark_ledger_of(uint64_t seed)
{
    return hash64(STR("mark"), seed);
}

/* ---- a slot ---- */

static void slot_print(char out[SLOT_BYTES], const struct mark_facts *f, uint64_t generation)
{
    char text[TEXT_MAX], newest[RFC3339_SIZE];
    int len = snprintf(text, sizeof text, SLOT_FORMAT, generation, f->ledger, f->seq, f->base_seq,
                       f->moves, f->checkpoint_seq, f->backup_at_ms);
    uint64_t sum = hash64((struct str){text, (uint32_t)len}, CHECKSUM_SEED);
    rfc3339_format(f->seq ? seq_ms(f->seq) : 0, newest);
    len += snprintf(text + len, sizeof text - (size_t)len,
                    "checksum %016" PRIx64 "\nthat is, moves up to %s", sum, newest);
    memset(out, ' ', SLOT_BYTES);
    memcpy(out, text, (size_t)len);
    out[SLOT_BYTES - 1] = '\n';
}

static bool slot_parse(const char slot[SLOT_BYTES + 1], struct mark_facts *f, uint64_t *generation)
{
    struct mark_facts read = {0};
    uint64_t number, sum;
    int end = 0;
    if (sscanf(slot, SLOT_SCAN, &number, &read.ledger, &read.seq, &read.base_seq, &read.moves,
               &read.checkpoint_seq, &read.backup_at_ms, &end) != 7 ||
        end == 0 || sscanf(slot + end, "checksum %16" SCNx64, &sum) != 1 ||
        sum != hash64((struct str){slot, (uint32_t)end}, CHECKSUM_SEED))
        return false;
    *f = read;
    *generation = number;
    return true;
}

enum mark_state mark_read(const char *dir, struct mark_facts *out, uint64_t *generation)
{
    char path[PATH_SIZE], slot[SLOT_BYTES + 1];
    enum mark_state state = MARK_DAMAGED;
    uint64_t newest = 0;
    if (snprintf(path, sizeof path, "%s/mark", dir) >= (int)sizeof path)
        return MARK_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? MARK_NONE : MARK_DAMAGED;
    for (int i = 0; i < SLOTS; i++) {
        struct mark_facts f;
        uint64_t number;
        ssize_t got = pread(fd, slot, SLOT_BYTES, (off_t)i * SLOT_BYTES);
        slot[got > 0 ? got : 0] = 0;
        if (!slot_parse(slot, &f, &number) || (state == MARK_SOUND && number < newest))
            continue;
        *out = f;
        newest = number;
        state = MARK_SOUND;
    }
    close(fd);
    if (generation)
        *generation = newest;
    return state;
}

/* ---- writing ---- */

static int fail(const char *path, const char *doing, struct error *e)
{
    return error_set(e, TLY_EIO, path, "cannot be %s: %s", doing, strerror(errno));
}

static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int put_slot(int fd, const struct mark_facts *facts, uint64_t generation)
{
    char slot[SLOT_BYTES];
    slot_print(slot, facts, generation);
    errno = 0;
    ssize_t put = pwrite(fd, slot, SLOT_BYTES, (off_t)(generation % SLOTS) * SLOT_BYTES);
    if (put != SLOT_BYTES && errno == 0)
        errno = ENOSPC;
    return put == SLOT_BYTES ? 0 : -1;
}

int mark_create(const char *dir, const struct mark_facts *facts, struct error *e)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/mark", dir) >= (int)sizeof path)
        return error_set(e, TLY_EINVALID_ARGUMENT, "path", "it is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(path, "made", e);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < SLOTS; i++)
        rc = put_slot(fd, facts, i);
    if (rc == 0)
        rc = fsync(fd);
    if (rc == 0)
        rc = sync_folder(dir);
    if (rc)
        rc = fail(path, "written", e);
    close(fd);
    return rc;
}

/* The slot that is not the newest is overwritten, so one is sound at any instant. */
static bool write_once(struct mark *m, const struct mark_facts *facts)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/mark", m->dir);
    bool fresh = m->fd < 0;
    if (fresh)
        m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = m->fd < 0 ? -1 : put_slot(m->fd, facts, m->generation + 1);
    if (rc == 0)
        rc = fdatasync(m->fd);
    if (rc == 0 && fresh)
        rc = sync_folder(m->dir);
    if (rc == 0) {
        m->generation++;
        m->written = *facts;
        return true;
    }
    atomic_fetch_add(m->errors, 1);
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    return false;
}

/* ---- following ---- */

static bool take(struct mark *m, struct mark_facts *out)
{
    pthread_mutex_lock(&m->lock);
    *out = m->facts;
    pthread_mutex_unlock(&m->lock);
    return memcmp(out, &m->written, sizeof *out) != 0;
}

static void sleep_on(struct mark *m, struct wake *wake, int64_t timeout_us)
{
    struct mark_facts facts;
    wake_prepare(wake);
    if (atomic_load(&m->stopping) || (timeout_us < 0 && take(m, &facts)))
        wake_cancel(wake);
    else
        wake_wait(wake, timeout_us);
}

static void *thread_main(void *context)
{
    struct mark *m = context;
    struct mark_facts facts;
    pthread_setname_np(pthread_self(), "tally-mark");
    for (;;) {
        bool stopping =
            atomic_load(&m->stopping); /* before looking: what came earlier is written */
        if (take(m, &facts)) {
            write_once(m, &facts);
            if (!stopping)
                sleep_on(m, &m->pause, (int64_t)MARK_PAUSE_MS * 1000);
        }
        if (stopping)
            return NULL;
        sleep_on(m, &m->wake, -1);
    }
}

int mark_init(struct mark *m, const char *dir, _Atomic int64_t *errors, struct error *e)
{
    *m = (struct mark){.fd = -1, .errors = errors, .dir = strdup(dir)};
    pthread_mutex_init(&m->lock, NULL);
    return m->dir ? 0 : error_set(e, TLY_ENO_MEMORY, "mark", "no memory for the mark");
}

void mark_close(struct mark *m)
{
    mark_stop(m);
    if (m->dir)
        pthread_mutex_destroy(&m->lock);
    free(m->dir);
    m->dir = NULL;
}

int mark_start(struct mark *m, const struct mark_facts *facts, struct error *e)
{
    struct mark_facts before;
    m->facts = *facts;
    m->written = (struct mark_facts){.seq = -1};
    mark_read(m->dir, &before, &m->generation);
    atomic_store(&m->stopping, false);
    int rc = pthread_create(&m->thread, NULL, thread_main, m);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "mark", "no thread for it: %s", strerror(rc));
    m->running = true;
    return 0;
}

void mark_stop(struct mark *m)
{
    if (!m->running)
        return;
    atomic_store(&m->stopping, true);
    wake_up(&m->wake);
    wake_up(&m->pause);
    pthread_join(m->thread, NULL);
    m->running = false;
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

void mark_committed(struct mark *m, int64_t seq, uint32_t moves)
{
    pthread_mutex_lock(&m->lock);
    m->facts.seq = seq;
    m->facts.moves += moves;
    if (m->facts.moves > MARK_MOVES_MAX) {
        m->facts.base_seq = seq;
        m->facts.moves = 0;
    }
    pthread_mutex_unlock(&m->lock);
    wake_up(&m->wake);
}

void mark_checkpointed(struct mark *m, int64_t seq)
{
    pthread_mutex_lock(&m->lock);
    m->facts.checkpoint_seq = seq;
    pthread_mutex_unlock(&m->lock);
    wake_up(&m->wake);
}
