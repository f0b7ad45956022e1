/* command_list.h - commands one behind the other (engine.c). */
#ifndef TALLY_ENGINE_COMMAND_LIST_H
#define TALLY_ENGINE_COMMAND_LIST_H

#include "engine/command.h"

/* By `link`, oldest first. */
struct command_list {
    struct command *first;
    struct command *last;
};

void list_push(struct command_list *list, struct command *c);
struct command *list_take(struct command_list *list);

#endif
