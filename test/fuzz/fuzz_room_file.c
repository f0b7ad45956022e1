/* The file of a waiting room, which a power cut may have cut off anywhere. Whatever is loaded has a
 * place for each of its numbers, no two the same; who joins is found again at the same place when
 * it is loaded once more.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "waiting/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DRAWN_MAX = 65536 };

static const uint8_t key[SHA256_BYTES] = "a key that is no secret, 32 byte";
static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static void write_file(const uint8_t *data, size_t size)
{
    if (!path[0]) {
        const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(path, sizeof path, "%s/fuzz-room-%d", folder, (int)getpid());
        atexit(remove_file);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void check_places(const struct room *r)
{
    uint32_t count = r->line.count > r->line.drawn ? r->line.count : r->line.drawn;
    uint8_t *taken = calloc(count + 1, 1);
    if (!taken)
        abort();
    for (uint32_t number = 0; number < count; number++) {
        uint32_t place;
        if (!room_place(r, number, &place))
            continue;
        assert(place < count && !taken[place]);
        taken[place] = 1;
    }
    free(taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = {0};
    struct ticket_view view;
    struct room_head head = {0};
    memcpy(&head, data, size < sizeof head ? size : sizeof head);
    if (head.drawn > DRAWN_MAX && head.drawn <= LINE_MAX) /* right, and slow */
        return 0;
    write_file(data, size);
    struct room *r = room_load(path, key, &e);
    if (!r) {
        assert(e.code);
        return 0;
    }
    struct sale_now sale = {.sale_id = room_sale(r),
                            .mode = (enum queue_mode)r->head.mode,
                            .now_ms = 1000,
                            .ends_ms = 2000,
                            .available = 2};
    check_places(r);
    assert(room_see(r, &sale, &e) == 0);
    check_places(r);
    uint64_t user = UINT64_C(0x9e3779b97f4a7c15);
    uint32_t number = line_find(&r->line, user);
    if (number == LINE_NOBODY) {
        number = r->line.count;
        assert(room_add(r, user, number, &e) == 0);
    }
    room_show(r, number, &sale, &view);
    assert(view.number == number + 1 && view.place);
    uint32_t place = view.place;
    room_destroy(r);
    r = room_load(path, key, &e);
    assert(r && line_find(&r->line, user) == number);
    room_show(r, number, &sale, &view);
    assert(view.place == place);
    room_destroy(r);
    return 0;
}
