/* Waiting rooms in a folder of their own: places, tickets, restarts, the draw. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waiting/waiting.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

enum { START = 2000000, END = 9000000, USERS_MAX = 200000 };

struct rig {
    char folder[64], waiting[80];
    struct waiting_rooms *rooms;
    struct sale_now sale;
};

static void start(struct rig *r, int64_t now_ms)
{
    struct error e;
    const struct waiting_config config = {
        .folder = r->waiting, .hash_seed = 7, .users_max = USERS_MAX, .now_ms = now_ms};
    assert_int_equal(waiting_open(&r->rooms, &config, &e), 0);
}

static void restart(struct rig *r)
{
    waiting_close(r->rooms);
    start(r, r->sale.now_ms);
}

static int open_rig(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/tally-waiting-XXXXXX");
    if (!mkdtemp(r->folder))
        return -1;
    snprintf(r->waiting, sizeof r->waiting, "%s/waiting", r->folder);
    r->sale = (struct sale_now){.sale_id = STR("spring"),
                                .mode = QUEUE_FIRST_COME,
                                .now_ms = 1000000,
                                .starts_ms = START,
                                .ends_ms = END,
                                .available = 10};
    start(r, r->sale.now_ms);
    *state = r;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *r = *state;
    char path[400];
    waiting_close(r->rooms);
    DIR *folder = opendir(r->waiting);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", r->waiting, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(r->waiting);
    rmdir(r->folder);
    free(r);
    return 0;
}

static struct ticket_view join(struct rig *r, const char *user)
{
    struct ticket_view v;
    struct error e;
    assert_int_equal(waiting_join(r->rooms, &r->sale, str_of(user), &v, &e), 0);
    return v;
}

static struct ticket_view look(struct rig *r, const char *text)
{
    struct ticket_view v;
    struct ticket t;
    struct error e;
    assert_int_equal(waiting_read(r->rooms, str_of(text), &t), 0);
    assert_true(str_equal(ticket_sale(&t), r->sale.sale_id));
    assert_int_equal(waiting_look(r->rooms, &t, &r->sale, &v, &e), 0);
    return v;
}

static enum waiting_verdict admits(struct rig *r, const char *text, const char *user)
{
    return waiting_admits(r->rooms, str_of(text), r->sale.sale_id, str_of(user));
}

static void places_go_by_who_came_first(void **state)
{
    struct rig *r = *state;
    assert_int_equal(join(r, "ann").place, 1);
    assert_int_equal(join(r, "bob").place, 2);
    r->sale.sale_id = STR("autumn"); /* another line */
    assert_int_equal(join(r, "bob").place, 1);
}

static void the_same_user_has_the_same_place(void **state)
{
    struct rig *r = *state;
    struct ticket_view first = join(r, "ann"), again;
    join(r, "bob");
    again = join(r, "ann");
    assert_int_equal(again.place, 1);
    assert_string_equal(again.text, first.text);
    assert_int_equal(join(r, "cem").place, 3);
}

static void places_survive_a_restart(void **state)
{
    struct rig *r = *state;
    char user[16];
    struct ticket_view third = {0};
    for (int i = 0; i < 1000; i++) {
        snprintf(user, sizeof user, "user %d", i);
        struct ticket_view v = join(r, user);
        if (i == 2)
            third = v;
    }
    restart(r);
    assert_int_equal(join(r, "user 999").place, 1000);
    assert_int_equal(look(r, third.text).place, 3);
    assert_int_equal(join(r, "new").place, 1001);
}

static void who_was_admitted_is_so_after_a_restart(void **state)
{
    struct rig *r = *state;
    struct ticket_view v = join(r, "ann");
    assert_int_equal(admits(r, v.text, "ann"), WAITING_NOT_YET);
    r->sale.now_ms = START;
    assert_int_equal(look(r, v.text).status, TICKET_ADMITTED);
    restart(r);
    assert_int_equal(admits(r, v.text, "ann"), WAITING_ADMITS);
}

static void a_ticket_admits_its_user_to_its_sale_when_it_is_his_turn(void **state)
{
    struct rig *r = *state;
    struct ticket_view ann = join(r, "ann"), bob = join(r, "bob");
    r->sale.available = 1;
    r->sale.now_ms = START;
    assert_int_equal(look(r, ann.text).status, TICKET_ADMITTED);
    assert_int_equal(admits(r, ann.text, "ann"), WAITING_ADMITS);
    assert_int_equal(admits(r, ann.text, "bob"), WAITING_NOT_YOURS);
    assert_int_equal(look(r, bob.text).status, TICKET_SOLD_OUT);
    assert_int_equal(admits(r, bob.text, "bob"), WAITING_NOT_YET);
    assert_int_equal(waiting_admits(r->rooms, str_of(ann.text), STR("autumn"), STR("ann")),
                     WAITING_NO_TICKET);
    assert_int_equal(admits(r, "", "ann"), WAITING_NO_TICKET);
}

static void a_ticket_that_was_changed_is_none(void **state)
{
    struct rig *r = *state;
    struct ticket_view v = join(r, "ann");
    struct ticket t;
    size_t len = strlen(v.text);
    for (size_t i = 0; i < len; i++) {
        char was = v.text[i];
        v.text[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(waiting_read(r->rooms, str_of(v.text), &t), TLY_ENOT_FOUND);
        v.text[i] = was;
    }
    assert_int_equal(waiting_read(r->rooms, (struct str){v.text, (uint32_t)len - 1}, &t),
                     TLY_ENOT_FOUND);
    assert_int_equal(waiting_read(r->rooms, str_of(v.text), &t), 0);
}

static void a_ticket_of_another_folders_key_is_none(void **state)
{
    struct rig *r = *state;
    struct ticket_view v = join(r, "ann");
    char key[120];
    struct ticket t;
    snprintf(key, sizeof key, "%s/key", r->waiting);
    struct stat st;
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(key);
    restart(r);
    assert_int_equal(waiting_read(r->rooms, str_of(v.text), &t), TLY_ENOT_FOUND);
}

/* The path of the only room. */
static void room_path(const struct rig *r, char *out, size_t size)
{
    DIR *folder = opendir(r->waiting);
    struct dirent *entry;
    out[0] = 0;
    while ((entry = readdir(folder))) {
        if (strncmp(entry->d_name, "room-", 5) == 0)
            snprintf(out, size, "%s/%s", r->waiting, entry->d_name);
    }
    closedir(folder);
    assert_true(out[0]);
}

static void a_ticket_proves_its_place_when_the_files_end_was_lost(void **state)
{
    struct rig *r = *state;
    char path[400];
    join(r, "ann");
    join(r, "bob");
    struct ticket_view cem = join(r, "cem");
    room_path(r, path, sizeof path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    waiting_close(r->rooms);
    assert_int_equal(truncate(path, st.st_size - 12), 0); /* cem, and half of bob */
    start(r, r->sale.now_ms);
    assert_int_equal(look(r, cem.text).place, 3);
    assert_int_equal(join(r, "cem").place, 3);
    assert_int_equal(join(r, "dan").place, 4); /* nobody gets a place that was given */
    restart(r);
    assert_int_equal(join(r, "dan").place, 4);
    assert_int_equal(join(r, "ann").place, 1);
}

static void spoil(const char *path, off_t at, uint32_t with, uint32_t *was)
{
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, was, sizeof *was, at), sizeof *was);
    assert_int_equal(pwrite(fd, &with, sizeof with, at), sizeof with);
    close(fd);
}

static void a_room_whose_head_makes_no_sense_keeps_the_server_from_starting(void **state)
{
    enum { DRAWN_AT = 12, MODE_AT = 16 }; /* the latter: was_drawn, mode, length of the sale_id */
    static const struct {
        off_t at;
        uint32_t value;
    } faults[] = {
        {DRAWN_AT, UINT32_MAX}, {DRAWN_AT, (1u << 24) + 1}, {MODE_AT, 6u << 16 | 3u << 8},
        {MODE_AT, 6u << 16},    {MODE_AT, 1u << 8},         {MODE_AT, 65u << 16 | 1u << 8}};
    struct rig *r = *state;
    struct ticket_view view;
    struct error e;
    char path[400];
    uint32_t was, now;
    assert_int_equal(waiting_join(r->rooms, &r->sale, STR("ann"), &view, &e), 0);
    waiting_close(r->rooms);
    room_path(r, path, sizeof path);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const struct waiting_config config = {.folder = r->waiting, .hash_seed = 7, .users_max = 9};
        spoil(path, faults[i].at, faults[i].value, &was);
        assert_int_equal(waiting_open(&r->rooms, &config, &e), TLY_EIO);
        spoil(path, faults[i].at, was, &now);
    }
    start(r, r->sale.now_ms);
}

static void before_the_draw_there_is_no_place(void **state)
{
    struct rig *r = *state;
    r->sale.mode = QUEUE_DRAWN;
    struct ticket_view v = join(r, "ann");
    assert_int_equal(v.place, 0);
    assert_int_equal(v.status, TICKET_WAITING);
    assert_int_equal(strlen(v.commitment), 64);
    assert_string_equal(v.secret, "");
    assert_int_equal(admits(r, v.text, "ann"), WAITING_NOT_YET);
}

static void draws_are_by_chance_and_everybody_has_a_place(void **state)
{
    struct rig *r = *state;
    enum { ENTRANTS = 500 };
    char user[32], texts[ENTRANTS][TICKET_TEXT_MAX + 1];
    bool taken[ENTRANTS + 1] = {false};
    int in_order = 0;
    r->sale.mode = QUEUE_DRAWN;
    for (int i = 0; i < ENTRANTS; i++) {
        snprintf(user, sizeof user, "user %d", i);
        struct ticket_view v = join(r, user);
        memcpy(texts[i], v.text, sizeof v.text);
    }
    r->sale.now_ms = START;
    assert_int_equal(join(r, "late").place, ENTRANTS + 1); /* behind all who were drawn */
    for (uint32_t i = 0; i < ENTRANTS; i++) {
        struct ticket_view v = look(r, texts[i]);
        assert_in_range(v.place, 1, ENTRANTS);
        assert_false(taken[v.place]);
        taken[v.place] = true;
        in_order += v.place == i + 1;
        assert_int_equal(v.entrants, ENTRANTS);
        assert_int_equal(strlen(v.secret), 64);
        assert_int_equal(v.status, v.place <= 10 ? TICKET_ADMITTED : TICKET_SOLD_OUT);
    }
    assert_true(in_order < 10);
}

static void a_draw_survives_a_restart(void **state)
{
    struct rig *r = *state;
    r->sale.mode = QUEUE_DRAWN;
    char user[32];
    uint32_t places[50];
    for (int i = 0; i < 50; i++) {
        snprintf(user, sizeof user, "user %d", i);
        join(r, user);
    }
    r->sale.now_ms = START;
    for (int i = 0; i < 50; i++) {
        snprintf(user, sizeof user, "user %d", i);
        places[i] = join(r, user).place;
    }
    join(r, "late");
    restart(r);
    for (int i = 0; i < 50; i++) {
        snprintf(user, sizeof user, "user %d", i);
        assert_int_equal(join(r, user).place, places[i]);
    }
    assert_int_equal(join(r, "late").place, 51);
}

/* docs/admission.md has the same in Python, with these figures. */
static void a_draw_is_what_the_documentation_says(void **state)
{
    struct rig *r = *state;
    char path[120];
    snprintf(path, sizeof path, "%s/key", r->waiting);
    waiting_close(r->rooms);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "0123456789abcdef0123456789abcdef", 32), 32);
    close(fd);
    start(r, r->sale.now_ms);
    r->sale.mode = QUEUE_DRAWN;
    const char *const users[] = {"a", "b", "c", "d", "e"};
    const uint32_t expected[] = {5, 1, 3, 4, 2};
    struct ticket_view v = {0};
    for (int i = 0; i < 5; i++)
        v = join(r, users[i]);
    assert_string_equal(v.commitment,
                        "dec88e1a098bd563c794ecd7ded7dadd06ad14bee909522ddeecf0edaed1f15d");
    r->sale.now_ms = START;
    for (int i = 0; i < 5; i++) {
        v = join(r, users[i]);
        assert_int_equal(v.place, expected[i]);
    }
    assert_string_equal(v.secret,
                        "eb6906c4c0f0696fd73dea63bddd0b98e0fb2b879fe77dd2b9e76cd67c683938");
}

static void a_room_is_forgotten_a_day_after_its_sale(void **state)
{
    struct rig *r = *state;
    join(r, "ann");
    waiting_close(r->rooms);
    start(r, END + WAITING_KEPT_MS);
    struct waiting_figures figures;
    waiting_figures(r->rooms, &figures);
    assert_int_equal(figures.users, 1);
    waiting_close(r->rooms);
    start(r, END + WAITING_KEPT_MS + 1);
    waiting_figures(r->rooms, &figures);
    assert_int_equal(figures.rooms, 0);
    assert_int_equal(figures.users, 0);
}

static void rooms_have_a_bound_and_ended_ones_give_way(void **state)
{
    struct rig *r = *state;
    char id[32];
    struct ticket_view v;
    struct error e;
    for (int i = 0; i < WAITING_ROOMS_MAX; i++) {
        snprintf(id, sizeof id, "sale %d", i);
        r->sale.sale_id = str_of(id);
        join(r, "ann");
    }
    r->sale.sale_id = STR("one more");
    assert_int_equal(waiting_join(r->rooms, &r->sale, STR("ann"), &v, &e), TLY_EOVERLOADED);
    r->sale.now_ms = END + WAITING_KEPT_MS + 1;
    r->sale.ends_ms = r->sale.now_ms + 1000;
    join(r, "ann");
}

static void so_many_wait_in_bounded_memory_and_the_next_is_refused(void **state)
{
    struct rig *r = *state;
    char user[16];
    struct ticket_view v;
    struct error e;
    r->sale.mode = QUEUE_DRAWN;
    for (int i = 0; i < USERS_MAX; i++) {
        snprintf(user, sizeof user, "u%d", i);
        assert_int_equal(waiting_join(r->rooms, &r->sale, str_of(user), &v, &e), 0);
    }
    assert_int_equal(waiting_join(r->rooms, &r->sale, STR("more"), &v, &e), TLY_EOVERLOADED);
    assert_int_equal(join(r, "u17").number, 18); /* who is in is in */
    r->sale.now_ms = START;
    assert_true(join(r, "u17").place > 0);
    struct waiting_figures figures;
    waiting_figures(r->rooms, &figures);
    assert_int_equal(figures.users, USERS_MAX);
    assert_true(figures.bytes <= (uint64_t)USERS_MAX * WAITING_BYTES_PER_USER);
    uint32_t place = join(r, "u199999").place;
    restart(r);
    assert_int_equal(join(r, "u199999").place, place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_go_by_who_came_first),
        TEST(the_same_user_has_the_same_place),
        TEST(places_survive_a_restart),
        TEST(who_was_admitted_is_so_after_a_restart),
        TEST(a_ticket_admits_its_user_to_its_sale_when_it_is_his_turn),
        TEST(a_ticket_that_was_changed_is_none),
        TEST(a_ticket_of_another_folders_key_is_none),
        TEST(a_ticket_proves_its_place_when_the_files_end_was_lost),
        TEST(a_room_whose_head_makes_no_sense_keeps_the_server_from_starting),
        TEST(before_the_draw_there_is_no_place),
        TEST(draws_are_by_chance_and_everybody_has_a_place),
        TEST(a_draw_survives_a_restart),
        TEST(a_draw_is_what_the_documentation_says),
        TEST(a_room_is_forgotten_a_day_after_its_sale),
        TEST(rooms_have_a_bound_and_ended_ones_give_way),
        TEST(so_many_wait_in_bounded_memory_and_the_next_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
