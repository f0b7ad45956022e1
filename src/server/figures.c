/* figures.c - the engine's figures, published by its thread and read by the workers. */
#include "server/figures.h"

void figures_init(struct figures_board *b)
{
    *b = (struct figures_board){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void figures_publish(struct figures_board *b, struct engine *e, uint64_t now_ns)
{
    if (now_ns < b->next_ns || pthread_mutex_trylock(&b->lock) != 0)
        return;
    b->shown.top_count = engine_figures(e, &b->shown.stats, b->shown.top, FIGURES_LOTS_MAX);
    b->shown_ns = now_ns;
    b->next_ns = now_ns + FIGURES_INTERVAL_MS * UINT64_C(1000000);
    pthread_mutex_unlock(&b->lock);
}

void figures_read(struct figures_board *b, uint64_t now_ns, struct figures *out)
{
    pthread_mutex_lock(&b->lock);
    *out = b->shown;
    out->age_ns = now_ns > b->shown_ns ? now_ns - b->shown_ns : 0;
    pthread_mutex_unlock(&b->lock);
}
